// `npm run bench -- store`: the same points into every store, the same questions, and a table for each kind of series.
import { writeFileSync } from 'node:fs'
import { type Dataset, datasetOf } from './store-data.ts'
import { readStoreOptions, type StoreOptions, storeHelp } from './store-options.ts'
import { Examination } from './store-questions.ts'
import { type RivalName, rivalMissing, withRival } from './store-rivals.ts'
import { type Outcome, runRival } from './store-run.ts'
import { type StoreRow, storeTableOf } from './store-table.ts'

const dayMs = 24 * 3_600_000

/** Throws `ArgumentError`, and an `Error` when a run was not clean. */
export async function benchStore(argv: readonly string[]): Promise<void> {
  const options = readStoreOptions(argv)
  if (options.help) console.log(storeHelp())
  else await compare(options)
}

async function compare(options: StoreOptions): Promise<void> {
  const present = options.rivals.filter((name) => {
    const why = rivalMissing(name, options.postgres)
    if (why !== undefined) console.log(`${name} is left out: ${why}.`)
    return why === undefined
  })
  // Whole days that are over, so that a store which does something once a day is over does it to all of them.
  const endMs = Math.floor(Date.now() / dayMs) * dayMs
  const tables: { kind: string; points: number; rows: StoreRow[] }[] = []
  for (const name of options.only) {
    const dataset = datasetOf(name, options.points, endMs, options.seed, options.quick)
    const rows = await rowsOf(dataset, present, options.postgres)
    console.log(`\n${storeTableOf(dataset, rows)}`)
    tables.push({ kind: name, points: dataset.points, rows })
  }
  const outcomes = tables.flatMap(({ rows }) => rows)
  const versions = Object.fromEntries(outcomes.map(({ rival, outcome }) => [rival, outcome.version ?? 'unknown']))
  console.log(`\n${[`Node ${process.version.slice(1)}`, ...new Set(Object.values(versions))].join(', ')}; seed ${options.seed}.`)
  const bySystem = { node: process.version, platform: `${process.platform}-${process.arch}`, takenAt: new Date().toISOString() }
  writeFileSync(
    options.out,
    `${JSON.stringify({ ...bySystem, seed: options.seed, quick: options.quick, versions, tables }, undefined, 2)}\n`,
  )
  if (outcomes.some(({ outcome }) => outcome.clean !== true)) throw new Error('Some runs were not clean; their figures prove nothing.')
}

/** One after the other: no two of them share the machine. */
async function rowsOf(dataset: Dataset, names: readonly RivalName[], installed: string): Promise<StoreRow[]> {
  const examination = new Examination(dataset)
  const rows: StoreRow[] = []
  for (const rival of names) {
    const outcome = await runRival((use) => withRival(rival, installed, use), dataset, examination)
    console.error(`  ${dataset.name}  ${rival}  ${summary(outcome)}`)
    rows.push({ rival, outcome })
  }
  return rows
}

function summary({
  clean,
  troubles = [],
  bytesPerPoint = Number.NaN,
  cpuMicroseconds = Number.NaN,
  threads = {},
}: Partial<Outcome>): string {
  const busiest = Object.entries(threads).map(([name, microseconds]) => `${name} ${microseconds.toFixed(2)}`)
  const figures = `${bytesPerPoint.toFixed(2)} bytes  ${cpuMicroseconds.toFixed(2)} µs  (${busiest.join(', ')})`
  return clean === true ? figures : `${figures}  NOT CLEAN: ${troubles.join('; ')}`
}
