// mooring bans: addresses that are shut out.
import { define, exitCodes, type Group, say } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { columnsOf, jsonOption, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf } from './times.ts'

interface Ban {
  readonly address: string
  readonly since: number
  readonly until: number
  readonly failures: number
  readonly refused: number
}

const list = define({
  summary: 'addresses that are shut out',
  operands: [],
  about: 'Because too many authentications from them failed. They end by themselves. Times are UTC.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { signal } = terminal
    const answer = await askJson<{ bans: readonly Ban[] }>(values, { method: 'GET', path: '/v1/bans', role: 'admin', signal })
    const rows = answer.bans.map(({ address, since, until, failures, refused }): Cell[] => {
      return [address, timeOf(since), timeOf(until), `${failures}`, `${refused}`]
    })
    return printList(terminal, values, answer, { columns: columnsOf('address', 'since', 'until', 'failures', 'refused'), rows })
  },
})

const lift = define({
  summary: 'let an address in again',
  operands: ['ADDRESS'],
  about: 'ADDRESS is one of the list, or any of its network.',
  options: hubOptions,
  ends: '1 it is not done, ',
  async run(values, [address = ''], terminal) {
    const path = `/v1/bans/${encodeURIComponent(address)}`
    const { lifted } = await askJson<{ lifted: string }>(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(terminal, `${lifted} may come again.`)
    return exitCodes.done
  },
})

export const bansGroup: Group = { summary: 'addresses that are shut out: list, lift', commands: { list, lift }, standard: 'list' }
