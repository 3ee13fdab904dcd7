// mooring claims: devices without any secret that wait to be let in.
import { define, exitCodes, type Group, say } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { tagIn } from './devices.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf } from './times.ts'

interface Claim {
  readonly claim: string
  readonly device: string
  readonly address: string
  readonly since: number
  readonly until: number
  readonly accepted: boolean
}

const list = define({
  summary: 'devices that wait to be claimed',
  operands: [],
  about: `On a hub that runs with --allow-claims. Anybody may say any name: compare the code with the one that the device shows.
Times are UTC.`,
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { signal } = terminal
    const answer = await askJson<{ claims: readonly Claim[] }>(values, { method: 'GET', path: '/v1/claims', role: 'admin', signal })
    const rows = answer.claims.map(({ claim, device, address, since, until, accepted }): Cell[] => {
      return [claim, device, address, timeOf(since), timeOf(until), accepted ? 'yes' : 'no']
    })
    return printList(terminal, values, answer, { columns: columnsOf('code', 'device', 'address', 'since', 'until', 'accepted'), rows })
  },
})

const accept = define({
  summary: 'let a device in by the code that it shows',
  operands: ['CODE'],
  about: `The device is put on record, and gets a token of its own when it asks the next time.
One that has credentials cannot be claimed; mooring credentials revoke ends them.`,
  options: {
    role: { type: 'string', value: 'ROLE', words: ['device'], says: 'what it may do: the name of a role (device)' },
    type: { type: 'string', value: 'TYPE', says: 'the same word for all that are alike' },
    tag: { type: 'string', multiple: true, value: 'NAME=VALUE', says: 'where it stands, whose it is; may repeat' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not let in, ',
  async run(values, [claim = ''], terminal) {
    const { role, type, tag } = values
    const tags = tag === undefined ? undefined : Object.fromEntries(tag.map(tagIn))
    const body = JSON.stringify({ claim, role, type, tags })
    const accepted = await askJson<Claim>(values, { method: 'POST', path: '/v1/claims', body, role: 'admin', signal: terminal.signal })
    if (values.json === true) await print(terminal, `${JSON.stringify(accepted)}\n`)
    else say(terminal, `${accepted.device} at ${accepted.address} is let in when it asks the next time.`)
    return exitCodes.done
  },
})

const refuse = define({
  summary: 'send a device away that waits',
  operands: ['CODE'],
  about: 'It is told so when it asks the next time. CODE is the first column of the list.',
  options: hubOptions,
  ends: '1 it is not refused, ',
  async run(values, [claim = ''], terminal) {
    const path = `/v1/claims/${encodeURIComponent(claim)}`
    const { device, address } = await askJson<Claim>(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(terminal, `${device} at ${address} is refused.`)
    return exitCodes.done
  },
})

export const claimsGroup: Group = {
  summary: 'devices without a secret that wait: list, accept, refuse',
  commands: { list, accept, refuse },
  standard: 'list',
}
