// The outcome of `npm run bench -- store` as Markdown, a table per kind of series.
import { type Dataset, seriesCountOf } from './store-data.ts'
import type { RivalName } from './store-rivals.ts'
import type { Outcome } from './store-run.ts'

export interface StoreRow {
  readonly rival: RivalName
  readonly outcome: Partial<Outcome>
}

const head = ['store', 'bytes/point', 'CPU-µs/point', 'points/s', 'hour ms', 'day ms', 'chart ms', 'latest ms', '']

/** Above this much of a core for others, times say more about the machine than about the store. */
const otherCoresMax = 0.4

export function storeTableOf(dataset: Dataset, rows: readonly StoreRow[]): string {
  const lines = rows.map(({ rival, outcome }) => {
    const { bytesPerPoint, cpuMicroseconds, pointsPerSecond, queryMs = {} } = outcome
    const times = [queryMs.hour, queryMs.day, queryMs.chart, queryMs.latest]
    return [rival, short(bytesPerPoint), short(cpuMicroseconds), count(pointsPerSecond), ...times.map(short), noteOf(outcome)]
  })
  const widths = head.map((title, column) => Math.max(title.length, 3, ...lines.map((cells) => cells[column]!.length)))
  const isText = (column: number) => column === 0 || column === head.length - 1
  const printed = [head, ...lines].map((cells) =>
    row(cells.map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))),
  )
  const rule = row(widths.map((width, column) => (isText(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)))
  const size = `${count(dataset.points)} points in ${count(seriesCountOf(dataset))} series`
  const troubles = rows.flatMap(({ rival, outcome }) => (outcome.troubles ?? []).map((trouble) => `- ${rival} is not clean: ${trouble}`))
  const threads = rows.flatMap(({ rival, outcome }) => threadsOf(rival, outcome))
  const table = [`### ${dataset.name}: ${dataset.kind.says}`, '', `${size}.`, '', printed[0], rule, ...printed.slice(1)]
  const below = [...threads, ...troubles]
  return [...table, ...(below.length > 0 ? [''] : []), ...below].join('\n')
}

/** Which threads did the work, where more than one did a twentieth of it. */
function threadsOf(rival: RivalName, { threads = {}, cpuMicroseconds = 0 }: Partial<Outcome>): string[] {
  const busy = Object.entries(threads).filter(([, microseconds]) => microseconds >= cpuMicroseconds / 20)
  return busy.length < 2 ? [] : [`- CPU-µs of ${rival}: ${busy.map(([name, microseconds]) => `${name} ${short(microseconds)}`).join(', ')}`]
}

function noteOf({ clean, settled, otherCores = 0 }: Partial<Outcome>): string {
  if (clean !== true) return 'NOT CLEAN'
  if (settled === false) return 'still working'
  return otherCores > otherCoresMax ? `busy machine (${otherCores.toFixed(1)} cores)` : ''
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function short(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return ''
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
}

function count(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '' : Math.round(value).toLocaleString('en-US')
}
