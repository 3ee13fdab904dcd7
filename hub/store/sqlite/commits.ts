// In the writer thread: one batch, one row, one transaction.
import type { Database, Statement } from 'better-sqlite3'
import type { DeviceState } from './device-state.ts'
import type { FrameCursor } from './frame.ts'
import { inspect } from './inspect.ts'
import type { SealedBatch } from './journal.ts'
import { type AllRecordRows, applyRecords, type RefusedRecord } from './record-rows.ts'

export class Commits {
  readonly #db: Database
  readonly #deviceToCheck: (number: number) => DeviceState | undefined
  readonly #rows: AllRecordRows
  readonly #insertBatch: Statement
  readonly #insertDevice: Statement

  /** `deviceToCheck`: see `inspect`. */
  constructor(
    db: Database,
    deviceToCheck: (number: number) => DeviceState | undefined = () => undefined,
    rows: AllRecordRows = { records: {} },
  ) {
    this.#db = db
    this.#rows = rows
    this.#deviceToCheck = deviceToCheck
    this.#insertBatch = db.prepare('INSERT INTO journal (first_seq, last_seq, count, at_ms, bytes, routed_seq) VALUES (?, ?, ?, ?, ?, ?)')
    this.#insertDevice = db.prepare('INSERT INTO devices (number, id, name, created_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
  }

  /** The cursor stands before the batch's first frame. */
  store(
    batch: SealedBatch,
    cursor: FrameCursor,
  ): Pick<ReturnType<typeof inspect>, 'refused' | 'checked'> & { refusedRecords: RefusedRecord[] } {
    const { refused, checked, devices, hasRecords } = inspect(cursor, this.#deviceToCheck)
    const refusedRecords = this.#db.transaction(() => {
      for (const { number, id, atMs } of devices) this.#insertDevice.run(number, id, id, atMs)
      if (hasRecords) cursor.rewind()
      const refusedRecords = hasRecords ? applyRecords(cursor, this.#rows) : [] // before the bytes are written, where what is refused is void
      this.#insertBatch.run(batch.firstSeq, batch.lastSeq, batch.count, batch.atMs, cursor.bytes, batch.routedSeq)
      return refusedRecords
    })()
    return { refused, checked, refusedRecords }
  }
}
