// mooring uptime: how much of the time devices were connected. The hub has it as a series, so this is a query like any other.
import { define, UsageError } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { groupOption } from './groups.ts'
import { columnsOf, jsonOption, printList } from './print.ts'
import { sinceIn, stretchOf, timeOf } from './times.ts'

interface Buckets {
  readonly series: readonly {
    readonly labels: { readonly device: string }
    readonly starts: readonly number[]
    readonly columns: { readonly twa: readonly (number | null)[] }
  }[]
}

/** Lengths of buckets, the longest first. */
const lengths = [
  ['1d', 86_400_000],
  ['1h', 3_600_000],
  ['5m', 300_000],
  ['1m', 60_000],
  ['1s', 1000],
] as const

/** The first and the last bucket lie partly outside of the range, where they count as the rest of them: a hundredth of it at most. */
const bucketsMin = 100

export const uptimeCommand = define({
  summary: 'how much of the time devices were connected',
  operands: ['[DEVICE]'],
  about: `Of a device, or of all that were ever connected, since a moment: the share of the time, and the time they were not connected.
It is the mean over time of the metric $connected, which can be asked for like any other (GET /v1/telemetry/buckets).`,
  options: {
    since: {
      type: 'string',
      value: 'WHEN',
      default: '1d',
      says: 'from then on: a stretch before now such as 7d, or a time of ISO 8601 (1d)',
    },
    group: groupOption,
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 the hub did not answer, ',
  async run(values, [device], terminal) {
    const { since, group } = values
    const to = Date.now()
    const from = sinceIn('since', since)
    if (from >= to) throw new UsageError(`--since is a moment that has been, not ${since}`)
    const [every, everyMs] = lengths.find(([, ms]) => (to - from) / ms >= bucketsMin) ?? lengths.at(-1)!
    const query = new URLSearchParams({ metric: '$connected', aggregates: 'twa', from: `${from}`, to: `${to}`, every })
    if (device !== undefined) query.set('device', device)
    if (group !== undefined) query.set('inGroup', group)
    const { series } = await askJson<Buckets>(values, { method: 'GET', path: `/v1/telemetry/buckets?${query}`, signal: terminal.signal })
    const devices = series.map(({ labels, starts, columns }) => {
      let [upMs, knownMs] = [0, 0]
      for (const [at, start] of starts.entries()) {
        const insideMs = Math.min(start + everyMs, to) - Math.max(start, from)
        const share = columns.twa[at] ?? null
        if (share === null || insideMs <= 0) continue
        upMs += share * insideMs
        knownMs += insideMs
      }
      return { device: labels.device, uptime: knownMs === 0 ? null : upMs / knownMs, downMs: Math.round(knownMs - upMs) }
    })
    const rows = devices.map(({ device: id, uptime, downMs }) => [id, percentOf(uptime), stretchOf(downMs)])
    const known = devices.flatMap(({ uptime }) => uptime ?? [])
    const mean = known.length === 0 ? null : known.reduce((sum, share) => sum + share, 0) / known.length
    if (known.length > 1) rows.push(['all', percentOf(mean), ''])
    const columns = columnsOf('device', 'connected', 'not connected')
    return printList(terminal, values, { from: timeOf(from), to: timeOf(to), uptime: mean, devices }, { columns, rows })
  },
})

/** Cut, not rounded: 100 % is said of those alone that were never away. */
function percentOf(share: number | null): string | null {
  return share === null ? null : `${(Math.floor(share * 100_000) / 1000).toFixed(3)} %`
}
