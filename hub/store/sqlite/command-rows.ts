// Commands and bulks of them: their rows change with the batch that tells of it, in the writer thread, and are read in the reader's.
import type { Database } from 'better-sqlite3'
import type { Step } from '../../../devices/commands.ts'
import type { Condition } from '../../../devices/condition.ts'
import { limits } from '../../limits.ts'
import type { CommandCounts, CommandQuery, CommandRecord, StoredBulk, StoredCommand } from '../commands.ts'
import type { FrameCursor } from './frame.ts'
import { deviceCondition } from './query/selections.ts'
import type { RecordRows } from './record-rows.ts'

type Made = Extract<CommandRecord, { is: 'made' }>
type Stepped = Extract<CommandRecord, { is: 'step' }>

/** Of a row without its texts, about. */
const rowBytes = 300
const openPage = 5_000
/** Removed with each one that is over, while there are more than may be kept: so they become fewer, and no batch waits for it. */
const removedAtOnce = 2
const dayMs = 24 * 3600 * 1000

/** What is kept of those that are over. */
export interface CommandBounds {
  readonly commands: number
  readonly bytes: number
  readonly days: number
}

const standardBounds: CommandBounds = {
  commands: limits.commandsKept,
  bytes: limits.commandsKeptBytes,
  days: limits.commandsKeptDays,
}

const stepped = `state = ?, trail = trail || ',' || ?, deadline_ms = coalesce(?, deadline_ms), attempts = coalesce(?, attempts),
  held_by = coalesce(?, held_by), seq = coalesce(?, seq), bytes = bytes + ?`

/** In the writer thread. */
export class CommandRows implements RecordRows {
  readonly #sql
  readonly #bounds: CommandBounds
  /** Of those that are over. */
  #kept: number
  #keptBytes: number

  constructor(db: Database, bounds = standardBounds) {
    this.#bounds = bounds
    this.#sql = {
      make: db.prepare(`
        INSERT INTO commands (number, device, bulk, name, key, state, deadline_ms, attempts, attempts_max, held_by, seq, trail, bytes)
        SELECT @number, number, @bulk, @name, @key, @state, @deadlineMs, @attempts, @attemptsMax, @heldBy, @seq, @trail, @bytes
        FROM devices WHERE number = @device`),
      makeBody: db.prepare('INSERT INTO command_bodies (number, by, params, until) VALUES (?, ?, ?, ?)'),
      // Apart: where over_ms is set, even to what it is, two indexes are written. 8 µs instead of 23.
      goOn: db.prepare<(string | number | null)[]>(`UPDATE commands SET ${stepped} WHERE number = ? AND over_ms IS NULL`),
      end: db
        .prepare<(string | number | null)[], number>(
          `UPDATE commands SET ${stepped}, over_ms = ? WHERE number = ? AND over_ms IS NULL RETURNING bytes`,
        )
        .pluck(),
      result: db.prepare(`
        INSERT INTO command_bodies (number, result) SELECT number, ? FROM commands WHERE number = ?
        ON CONFLICT (number) DO UPDATE SET result = excluded.result`),
      late: db.prepare(
        "UPDATE commands SET late = ? WHERE number = ? AND device = ? AND late IS NULL AND state IN ('expired', 'cancelled')",
      ),
      bulk: db.prepare('INSERT INTO bulks (number, name, params, until, by, concurrency, targets) VALUES (?, ?, ?, ?, ?, ?, ?)'),
      whole: db.prepare('UPDATE bulks SET is_whole = 1 WHERE number = ?'),
      removeBulks: db.prepare('DELETE FROM bulks WHERE is_whole = 1 AND NOT EXISTS (SELECT 1 FROM commands WHERE bulk = bulks.number)'),
      removeOldest: db
        .prepare<[number], number>(
          `DELETE FROM commands WHERE number = (SELECT number FROM commands WHERE over_ms IS NOT NULL ORDER BY over_ms LIMIT 1)
            AND over_ms <= ? RETURNING bytes`,
        )
        .pluck(),
    }
    const [kept, bytes] = db
      .prepare<[], [number, number]>('SELECT count(*), coalesce(sum(bytes), 0) FROM commands WHERE over_ms IS NOT NULL')
      .raw()
      .get()!
    this.#kept = kept
    this.#keptBytes = bytes
  }

  apply(cursor: FrameCursor): void {
    const record = JSON.parse(cursor.payload().toString()) as CommandRecord
    switch (record.is) {
      case 'made':
        this.#make(record, cursor)
        return
      case 'step':
        this.#step(record)
        return
      case 'progress':
        this.#sql.result.run(record.result, record.number)
        return
      case 'late':
        this.#sql.late.run(JSON.stringify({ status: record.status, at: record.at }), record.number, cursor.device)
        return
      case 'bulk': {
        const { number, name, params, until, by, concurrency, targets } = record.bulk
        this.#sql.removeBulks.run()
        this.#sql.bulk.run(number, name, params, jsonOrNull(until), by, concurrency, targets)
        return
      }
      case 'whole':
        this.#sql.whole.run(record.number)
    }
  }

  /** Of a device that was deleted meanwhile nothing is kept. */
  #make({ command, supersedes = [] }: Made, { device, atMs }: FrameCursor): void {
    const { bulk = null, key = null, trail, params, until, by = '', ...columns } = command
    const text = trail.map((step) => JSON.stringify(step)).join()
    const bytes = rowBytes + (params?.length ?? 0)
    const { changes } = this.#sql.make.run({ ...columns, bulk, key, trail: text, bytes, device })
    if (changes > 0 && params !== undefined) this.#sql.makeBody.run(columns.number, by, params, jsonOrNull(until))
    for (const older of supersedes) this.#step({ is: 'step', number: older, step: ['cancelled', atMs, 'superseded'], isOver: true })
  }

  #step({ number, step, isOver, attempts, heldBy, seq, deadlineMs, result }: Stepped): void {
    const [state, atMs] = step
    const more = result?.length ?? 0
    const changed = [state, JSON.stringify(step), deadlineMs ?? null, attempts ?? null, heldBy ?? null, seq ?? null, more]
    if (!isOver) {
      const { changes } = this.#sql.goOn.run(...changed, number)
      if (changes > 0 && result !== undefined) this.#sql.result.run(result, number)
      return
    }
    const bytes = this.#sql.end.get(...changed, atMs, number)
    if (bytes === undefined) return // it was over before
    if (result !== undefined) this.#sql.result.run(result, number)
    this.#kept++
    this.#keptBytes += bytes
    this.#removeOldest(atMs)
  }

  #removeOldest(nowMs: number): void {
    for (let count = 0; count < removedAtOnce; count++) {
      const { commands, bytes: bytesMax, days } = this.#bounds
      const isFull = this.#kept > commands || this.#keptBytes > bytesMax
      const bytes = this.#sql.removeOldest.get(isFull ? Number.MAX_SAFE_INTEGER : nowMs - days * dayMs)
      if (bytes === undefined) return
      this.#kept--
      this.#keptBytes -= bytes
    }
  }
}

interface CommandRow {
  readonly number: number
  readonly device: string
  readonly bulk: number | null
  readonly name: string
  readonly key: string | null
  readonly state: StoredCommand['state']
  readonly deadlineMs: number
  readonly attempts: number
  readonly attemptsMax: number
  readonly heldBy: number
  readonly seq: number
  readonly trail: string
  readonly late: string | null
  readonly by: string | null
  readonly params: string | null
  readonly until: string | null
  readonly result: string | null
}

const columns = `
  commands.number, devices.id AS device, commands.bulk, commands.name, commands.key, commands.state, commands.deadline_ms AS deadlineMs,
  commands.attempts, commands.attempts_max AS attemptsMax, commands.held_by AS heldBy, commands.seq, commands.trail, commands.late,
  iif(commands.bulk IS NULL, bodies.by, bulks.by) AS by, iif(commands.bulk IS NULL, bodies.params, bulks.params) AS params,
  iif(commands.bulk IS NULL, bodies.until, bulks.until) AS until, bodies.result
  FROM commands JOIN devices ON devices.number = commands.device
  LEFT JOIN command_bodies AS bodies ON bodies.number = commands.number LEFT JOIN bulks ON bulks.number = commands.bulk`

/** In the reader thread. */
export class CommandReader {
  readonly #db: Database
  readonly #sql

  constructor(db: Database) {
    this.#db = db
    this.#sql = {
      open: db.prepare<[number, number], CommandRow>(
        `SELECT ${columns} WHERE commands.over_ms IS NULL AND commands.number > ? ORDER BY commands.number LIMIT ?`,
      ),
      newest: db
        .prepare<[], number>('SELECT coalesce(max(number), 0) FROM (SELECT number FROM commands UNION ALL SELECT number FROM bulks)')
        .pluck(),
      find: db.prepare<[number], CommandRow>(`SELECT ${columns} WHERE commands.number = ?`),
      bulk: db.prepare<[number], BulkRow>(`SELECT ${bulkColumns} FROM bulks WHERE number = ?`),
      bulks: db.prepare<[], BulkRow>(`SELECT ${bulkColumns} FROM bulks ORDER BY number DESC`),
      counts: db.prepare<[number], [string, number]>('SELECT state, count(*) FROM commands WHERE bulk = ? GROUP BY state').raw(),
      countsOpen: db.prepare<[], [string, number]>('SELECT state, count(*) FROM commands WHERE over_ms IS NULL GROUP BY state').raw(),
      countsOver: db.prepare<[number], [string, number]>('SELECT state, count(*) FROM commands WHERE over_ms >= ? GROUP BY state').raw(),
    }
  }

  open(afterNumber: number): StoredCommand[] {
    return this.#sql.open.all(afterNumber, openPage).map(commandOf)
  }

  newest(): number {
    return this.#sql.newest.get()!
  }

  find(number: number): StoredCommand | undefined {
    const row = this.#sql.find.get(number)
    return row && commandOf(row)
  }

  counts(sinceMs: number): CommandCounts {
    return { open: Object.fromEntries(this.#sql.countsOpen.all()), over: Object.fromEntries(this.#sql.countsOver.all(sinceMs)) }
  }

  page({ states, bulk, names, before = Number.MAX_SAFE_INTEGER, limit, ...asked }: CommandQuery): StoredCommand[] {
    const { sql, values } = deviceCondition(asked)
    const conditions: [sql: string, value: string | number][] = [['commands.number < ?', before]]
    if (states !== undefined) conditions.push(['commands.state IN (SELECT value FROM json_each(?))', JSON.stringify(states)])
    if (bulk !== undefined) conditions.push(['commands.bulk = ?', bulk])
    if (names !== undefined) conditions.push(['commands.name IN (SELECT value FROM json_each(?))', JSON.stringify(names)])
    const where = conditions.map(([condition]) => condition).join(' AND ')
    return this.#db
      .prepare<(string | number)[], CommandRow>(`SELECT ${columns} WHERE ${where} AND ${sql} ORDER BY commands.number DESC LIMIT ?`)
      .all(...conditions.map(([, value]) => value), ...values, limit)
      .map(commandOf)
  }

  bulk(number: number): StoredBulk | undefined {
    const row = this.#sql.bulk.get(number)
    return row && this.#bulkOf(row)
  }

  bulks(): StoredBulk[] {
    return this.#sql.bulks.all().map((row) => this.#bulkOf(row))
  }

  #bulkOf({ until, isWhole, ...row }: BulkRow): StoredBulk {
    return { ...row, until: parsed(until), isWhole: isWhole === 1, counts: Object.fromEntries(this.#sql.counts.all(row.number)) }
  }
}

type BulkRow = Omit<StoredBulk, 'until' | 'isWhole' | 'counts'> & { readonly until: string | null; readonly isWhole: number }

const bulkColumns = 'number, name, params, until, by, concurrency, targets, is_whole AS isWhole'

function commandOf({ bulk, key, by, params, until, result, late, trail, ...row }: CommandRow): StoredCommand {
  return {
    ...row,
    bulk: bulk ?? undefined,
    key: key ?? undefined,
    by: by ?? '',
    params: params ?? 'null',
    until: parsed(until),
    result: result ?? undefined,
    late: late === null ? undefined : (JSON.parse(late) as StoredCommand['late']),
    trail: JSON.parse(`[${trail}]`) as Step[],
  }
}

function parsed(until: string | null): Condition | undefined {
  return until === null ? undefined : (JSON.parse(until) as Condition)
}

function jsonOrNull(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}
