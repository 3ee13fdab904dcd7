// Points as plain rows of SQLite, in a process of their own so that their CPU can be read: what the hub's chunks are compared with. Started
// by store-sqlite.ts with the file and the layout as words; commands come over the channel between the two, one answer each.
import { statSync } from 'node:fs'
import Database from 'better-sqlite3'
import type { FlatBatch } from './store-data.ts'
import { chartColumns } from './store-rival.ts'

/** `clustered`: the table is the index. `indexed`: rows in the order of their coming, and an index beside them. */
export type Layout = 'clustered' | 'indexed'

export type Command =
  | { readonly do: 'write'; readonly batch: FlatBatch }
  | { readonly do: 'finish' }
  | { readonly do: 'size' }
  | { readonly do: 'hour' | 'day' | 'chart'; readonly series: number; readonly fromMs: number; readonly toMs: number }
  | { readonly do: 'latest' }

/** Rows as arrays, their columns in the order of the statement. */
export type Rows = readonly (readonly number[])[]

const layouts: Readonly<Record<Layout, string>> = {
  clustered: 'CREATE TABLE points (series INTEGER, ts INTEGER, value REAL, PRIMARY KEY (series, ts)) WITHOUT ROWID',
  indexed: 'CREATE TABLE points (series INTEGER, ts INTEGER, value REAL); CREATE UNIQUE INDEX by_series ON points (series, ts)',
}
const rowsPerCommit = 1000

const [path, layout] = process.argv.slice(2) as [string, Layout]
const db = new Database(path)
db.pragma('page_size = 16384')
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.exec(`CREATE TABLE series (id INTEGER PRIMARY KEY); ${layouts[layout]}`)

const insert = db.prepare('INSERT INTO points VALUES (?, ?, ?)')
const insertSeries = db.prepare('INSERT OR IGNORE INTO series VALUES (?)')
const between = 'FROM points WHERE series = ? AND ts BETWEEN ? AND ?'
const hour = db.prepare(`SELECT ts, value ${between} ORDER BY ts`).raw()
const day = db
  .prepare(`SELECT ts / 3600000 * 3600000 AS hour, min(value), max(value), avg(value) ${between} GROUP BY hour ORDER BY hour`)
  .raw()
const chart = db
  .prepare(`SELECT CAST((ts - ?) / ? AS INTEGER) AS place, count(*), min(value), max(value) ${between} GROUP BY place ORDER BY place`)
  .raw()
const latest = db
  .prepare(
    'SELECT id, ts, value FROM series JOIN points ON series = id AND ts = (SELECT max(ts) FROM points WHERE series = id) ORDER BY id',
  )
  .raw()
const seriesKnown = new Set<number>()

const writeRows = db.transaction(({ series, times, values }: FlatBatch, from: number, to: number) => {
  for (let at = from; at < to; at++) {
    const id = series[at]!
    if (!seriesKnown.has(id)) insertSeries.run(id)
    seriesKnown.add(id)
    insert.run(id, times[at], values[at])
  }
})

process.on('message', (command: Command) => process.send!(answerTo(command)))
process.on('disconnect', () => process.exit()) // whoever asked is gone
process.send!({ version: db.prepare('SELECT sqlite_version()').pluck().get() })

function answerTo(command: Command): Rows {
  switch (command.do) {
    case 'write':
      for (let from = 0; from < command.batch.times.length; from += rowsPerCommit) {
        writeRows(command.batch, from, Math.min(from + rowsPerCommit, command.batch.times.length))
      }
      return []
    case 'finish':
      db.pragma('wal_checkpoint(TRUNCATE)')
      return []
    case 'size':
      return [[db.prepare('SELECT count(*) FROM points').pluck().get() as number, statSync(path).size]]
    case 'hour':
      return hour.all(command.series, command.fromMs, command.toMs) as Rows
    case 'day':
      return day.all(command.series, command.fromMs, command.toMs) as Rows
    case 'chart': {
      const { series, fromMs, toMs } = command
      return chart.all(fromMs, (toMs - fromMs + 1) / chartColumns, series, fromMs, toMs) as Rows
    }
    case 'latest':
      return latest.all() as Rows
  }
}
