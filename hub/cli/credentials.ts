// mooring credentials: what a device proves by who it is.
import { define, exitCodes, type Group, say, UsageError } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { hintFor } from './first-use.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf, untilIn } from './times.ts'

export interface Credential {
  readonly id: string
  readonly of: { readonly is: string; readonly name: string }
  readonly kind: string
  readonly name: string
  readonly role: string
  readonly label: string
  readonly until: number | null
  readonly lastUsedAt: number | null
}

export interface NewCredential extends Credential {
  readonly secret: string | null
}

const list = define({
  summary: 'credentials of a device',
  operands: ['DEVICE'],
  about: 'Those of a device, without what is secret of them. Times are UTC.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, [device = ''], terminal) {
    const path = `/v1/devices/${encodeURIComponent(device)}/credentials`
    const answer = await askJson<{ credentials: readonly Credential[] }>(values, {
      method: 'GET',
      path,
      role: 'admin',
      signal: terminal.signal,
    })
    const rows = answer.credentials.map(({ id, kind, name, role, label, until, lastUsedAt }): Cell[] => {
      return [id, kind, name, role, label, timeOf(until), timeOf(lastUsedAt)]
    })
    return printList(terminal, values, answer, { columns: columnsOf('id', 'kind', 'name', 'role', 'label', 'until', 'last used'), rows })
  },
})

export const validityOptions = {
  role: {
    type: 'string',
    value: 'ROLE',
    words: ['device', 'viewer', 'operator', 'admin'],
    says: 'what it may do: the name of a role (device)',
  },
  label: { type: 'string', value: 'TEXT', says: 'a word for people' },
  until: { type: 'string', value: 'WHEN', says: 'it ends by itself: after a stretch such as 90d or 12h, or at a time of ISO 8601' },
} as const

const create = define({
  summary: 'give a device a token, a password or a certificate',
  operands: ['DEVICE'],
  about: `Prints the secret on stdout, once: it cannot be asked for again. stderr shows two lines that use it.
The device need not be on record. Several credentials are good at a time, so that one is there before the other is revoked.`,
  options: {
    password: { type: 'boolean', says: 'a password, which the hub makes, instead of a token' },
    username: { type: 'string', value: 'NAME', says: 'the user name that goes with the password (the id of the device)' },
    certificate: { type: 'string', value: 'NAME', says: 'a certificate of this name: cn:…, dns:…, uri:… or fingerprint:…' },
    ...validityOptions,
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not made, ',
  async run(values, [device = ''], terminal) {
    const { password, username, certificate } = values
    if (password === true && certificate !== undefined) throw new UsageError('--password or --certificate, not both')
    if (username !== undefined && password !== true) throw new UsageError('--username goes with --password')
    const kind = password === true ? 'password' : certificate === undefined ? 'token' : 'certificate'
    const name = password === true ? (username ?? device) : certificate
    const body = JSON.stringify({ kind, name, ...validityOf(values) })
    const path = `/v1/devices/${encodeURIComponent(device)}/credentials`
    const made = await askJson<NewCredential>(values, { method: 'POST', path, body, role: 'admin', signal: terminal.signal })
    if (values.json === true) {
      await print(terminal, `${JSON.stringify(made)}\n`)
      return exitCodes.done
    }
    if (made.secret !== null) await print(terminal, `${made.secret}\n`)
    terminal.stderr.write(await hintFor(values, made, terminal.signal))
    return exitCodes.done
  },
})

const revoke = define({
  summary: 'end a credential',
  operands: ['ID'],
  about: 'Nobody comes in by it from now on, and who did is closed at once. ID is the first column of the list.',
  options: hubOptions,
  ends: '1 it is not revoked, ',
  async run(values, [id = ''], terminal) {
    const path = `/v1/credentials/${encodeURIComponent(id)}`
    const { revoked } = await askJson<{ revoked: string }>(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(terminal, `revoked ${revoked}.`)
    return exitCodes.done
  },
})

/** Members that a new credential has only where they are said. Errors: `UsageError`. */
export function validityOf(values: {
  readonly role?: string | undefined
  readonly label?: string | undefined
  readonly until?: string | undefined
}) {
  const { role, label, until } = values
  return { role, label, until: until === undefined ? undefined : untilIn('until', until) }
}

export const credentialsGroup: Group = {
  summary: 'what devices prove who they are by: list, create, revoke',
  commands: { list, create, revoke },
  standard: 'list',
}

export const revokeCommand = revoke
