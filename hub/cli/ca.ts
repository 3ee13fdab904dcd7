// mooring ca: the hub's own CA, and the certificates by which devices come in.
import { CommandError, countIn, define, exitCodes, type Group, say, type Terminal, UsageError } from './command.ts'
import { askJson, type HubAddress, hubOptions } from './connection.ts'
import { type Credential, type NewCredential, validityOptions } from './credentials.ts'
import { NewFiles, textIn } from './files.ts'
import { hintFor } from './first-use.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf } from './times.ts'

interface CaAnswer {
  readonly certificate: string
  readonly subject: string
  readonly fingerprint: string
  readonly until: number
}

interface Pinned extends Credential {
  readonly fingerprint: string
}

interface Issued extends Pinned {
  readonly certificate: string
  readonly key: string | null
}

interface Page {
  readonly certificates: readonly Pinned[]
  readonly next: string | null
}

/** What the hub gives at a time. */
const pageMax = 1000

const show = define({
  summary: "the hub's own CA, which devices trust",
  operands: [],
  about: `Prints its certificate on stdout, as devices take it: mooring ca show > ca.crt. It is no secret, but whoever can change it on
its way can stand where the hub is: compare the fingerprint, which stderr says, with the one in the log of the hub.`,
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, or has no CA, ',
  async run(values, _, terminal) {
    const answer = await askJson<CaAnswer>(values, { method: 'GET', path: '/v1/ca', signal: terminal.signal })
    const { certificate, subject, fingerprint, until } = answer
    await print(terminal, values.json === true ? `${JSON.stringify(answer)}\n` : certificate)
    if (values.json !== true) say(terminal, `${subject.replaceAll('\n', ', ')}, until ${timeOf(until)}, SHA-256 ${fingerprint}`)
    return exitCodes.done
  },
})

const issue = define({
  summary: 'give a device a certificate',
  operands: ['DEVICE'],
  about: `Writes DEVICE.crt, and DEVICE.key with the key that the hub makes and keeps no copy of; never over a file that is there. stderr
shows lines that use them. With --csr the key stays where it is: the CSR shows that somebody has it, and its names do not count.`,
  options: {
    days: { type: 'string', value: 'N', says: 'it is valid for so many days (397)' },
    csr: { type: 'string', value: 'FILE', says: 'for the key of this CSR, PEM, as openssl req -new makes it; - is stdin' },
    out: { type: 'string', value: 'PREFIX', says: 'writes PREFIX.crt and PREFIX.key' },
    role: validityOptions.role,
    label: validityOptions.label,
    ...hubOptions,
  },
  ends: '1 it is not made, ',
  async run(values, [device = ''], terminal) {
    const { role, label, out = device } = values
    const days = values.days === undefined ? undefined : countIn('days', values.days)
    const csr = values.csr === undefined ? undefined : await textIn(values.csr, terminal)
    const body = JSON.stringify({ device, days, csr, role, label })
    const files = await NewFiles.create([`${out}.crt`, ...(csr === undefined ? [`${out}.key`] : [])])
    let issued: Issued
    try {
      issued = await askJson<Issued>(values, { method: 'POST', path: '/v1/ca/certificates', body, role: 'admin', signal: terminal.signal })
    } catch (error) {
      await files.remove()
      throw error
    }
    try {
      await files.write([issued.certificate, ...(issued.key === null ? [] : [issued.key])])
    } catch (error) {
      await files.remove()
      throw new CommandError(`${(error as Error).message}; nobody has the certificate now, so revoke it: mooring ca revoke ${issued.id}`)
    }
    say(
      terminal,
      `${files.names.join(' and ')} written; the certificate is valid until ${timeOf(issued.until)}, as the credential ${issued.id}.`,
    )
    const made: NewCredential = { ...issued, secret: null }
    terminal.stderr.write(
      await hintFor(values, made, terminal.signal, { cert: `${out}.crt`, key: csr === undefined ? `${out}.key` : 'device.key' }),
    )
    return exitCodes.done
  },
})

const list = define({
  summary: 'certificates that let devices in',
  operands: ['[DEVICE]'],
  about: 'Those of all devices, or of one: what this CA issued, and certificates of others that are credentials by their fingerprint.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, [device], terminal) {
    const certificates: Pinned[] = []
    const query = new URLSearchParams({ limit: `${pageMax}`, ...(device === undefined ? {} : { device }) })
    for (let next: string | null = ''; next !== null; ) {
      const page: Page = await pageOf(values, query, terminal)
      certificates.push(...page.certificates)
      next = page.next
      if (next !== null) query.set('after', next)
    }
    const rows = certificates.map(({ id, of, label, fingerprint, until, lastUsedAt }): Cell[] => {
      return [id, of.name, label, timeOf(until), timeOf(lastUsedAt), fingerprint]
    })
    const columns = columnsOf('credential', 'device', 'label', 'until', 'last used', 'fingerprint')
    return printList(terminal, values, { certificates }, { columns, rows })
  },
})

const revoke = define({
  summary: 'shut a certificate out',
  operands: ['FINGERPRINT|CREDENTIAL'],
  about: `Nobody comes in by it from now on, and who did is closed at once. Either is a column of mooring ca list; a fingerprint is
SHA-256, as openssl x509 -noout -fingerprint -sha256 prints it, with colons or without.`,
  options: hubOptions,
  ends: '1 it is not revoked, ',
  async run(values, [said = ''], terminal) {
    const id = /^c[0-9a-f]{16}$/.test(said) ? said : await idBy(fingerprintIn(said), values, terminal)
    const path = `/v1/credentials/${id}`
    const { revoked } = await askJson<{ revoked: string }>(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(terminal, `revoked ${revoked}.`)
    return exitCodes.done
  },
})

function pageOf(hub: HubAddress, query: URLSearchParams, { signal }: Terminal): Promise<Page> {
  return askJson<Page>(hub, { method: 'GET', path: `/v1/ca/certificates?${query}`, role: 'admin', signal })
}

/** In capital hex with colons. Errors: `UsageError`. */
function fingerprintIn(text: string): string {
  const digits = text.replace(/^.*=/, '').replaceAll(/[:\s]/g, '').toUpperCase()
  if (!/^[0-9A-F]{64}$/.test(digits)) throw new UsageError(`${text} is neither the id of a credential nor a fingerprint by SHA-256`)
  return digits.replaceAll(/(..)(?!$)/g, '$1:')
}

async function idBy(fingerprint: string, hub: HubAddress, terminal: Terminal): Promise<string> {
  const { certificates } = await pageOf(hub, new URLSearchParams({ fingerprint }), terminal)
  if (certificates[0] === undefined) throw new CommandError(`no credential is the certificate ${fingerprint}`)
  return certificates[0].id
}

export const caGroup: Group = {
  summary: "the hub's own CA, and certificates of devices: show, issue, list, revoke",
  commands: { show, issue, list, revoke },
  standard: 'show',
}
