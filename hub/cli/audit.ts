// mooring audit: who did what, and who was not let in.
import { countIn, define, say } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { columnsOf, jsonOption, printList } from './print.ts'
import type { Cell } from './table.ts'
import { sinceIn, timeOf } from './times.ts'

interface Entry {
  readonly at: number
  readonly who: string
  readonly from: string
  readonly action: string
  readonly target: string
  readonly outcome: string
  readonly detail: string
}

/** What the hub gives at a time. */
const pageMax = 1000

export const auditCommand = define({
  summary: 'who did what, and who was not let in',
  operands: [],
  about: 'Every administrative action and every authentication that failed, the newest first. Times are UTC.',
  options: {
    who: { type: 'string', value: 'WHO', says: 'by them: key/NAME, device/ID, user/NAME or anonymous' },
    action: { type: 'string', value: 'ACTION', says: 'of this kind, such as credential.create or role.put' },
    since: { type: 'string', value: 'WHEN', says: 'from then on: a stretch before now such as 1d, or a time of ISO 8601' },
    limit: { type: 'string', value: 'N', default: '100', says: 'at most so many (100)' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { who, action, since, limit } = values
    const most = countIn('limit', limit)
    const query = new URLSearchParams()
    if (who !== undefined) query.set('who', who)
    if (action !== undefined) query.set('action', action)
    if (since !== undefined) query.set('from', `${sinceIn('since', since)}`)
    const entries: Entry[] = []
    let next: number | null | undefined
    while (next !== null && entries.length < most) {
      query.set('limit', `${Math.min(pageMax, most - entries.length)}`)
      if (next !== undefined) query.set('after', `${next}`)
      const path = `/v1/audit?${query}`
      const page = await askJson<{ entries: readonly Entry[]; next: number | null }>(values, {
        method: 'GET',
        path,
        role: 'admin',
        signal: terminal.signal,
      })
      entries.push(...page.entries)
      next = page.next
    }
    const rows = entries.map(({ at, who: by, from, action: done, target, outcome, detail }): Cell[] => {
      return [timeOf(at), by, from, done, target, outcome, detail]
    })
    const columns = columnsOf('at', 'who', 'from', 'action', 'target', 'outcome', 'detail')
    const code = await printList(terminal, values, { entries, next }, { columns, rows })
    if (next !== null) say(terminal, `there are older entries; --limit shows more.`)
    return code
  },
})
