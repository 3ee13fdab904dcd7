// In the writer thread: one batch, one row, one transaction.
import type { Database, Statement } from 'better-sqlite3'
import type { DeviceState } from './device-state.ts'
import type { FrameCursor } from './frame.ts'
import { inspect } from './inspect.ts'
import type { SealedBatch } from './journal.ts'

export class Commits {
  readonly #db: Database
  readonly #deviceHeld: (number: number) => DeviceState | undefined
  readonly #insertBatch: Statement
  readonly #insertDevice: Statement

  /** `deviceHeld` makes the check of telemetry faster and changes nothing else. */
  constructor(db: Database, deviceHeld: (number: number) => DeviceState | undefined = () => undefined) {
    this.#db = db
    this.#deviceHeld = deviceHeld
    this.#insertBatch = db.prepare('INSERT INTO journal (first_seq, last_seq, count, at_ms, bytes, routed_seq) VALUES (?, ?, ?, ?, ?, ?)')
    this.#insertDevice = db.prepare('INSERT INTO devices (number, id, name, created_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
  }

  /** The cursor stands before the batch's first frame. */
  store(batch: SealedBatch, cursor: FrameCursor): Pick<ReturnType<typeof inspect>, 'refused' | 'checked'> {
    const { refused, checked, devices } = inspect(cursor, this.#deviceHeld)
    this.#db.transaction(() => {
      for (const { number, id, atMs } of devices) this.#insertDevice.run(number, id, id, atMs)
      this.#insertBatch.run(batch.firstSeq, batch.lastSeq, batch.count, batch.atMs, cursor.bytes, batch.routedSeq)
    })()
    return { refused, checked }
  }
}
