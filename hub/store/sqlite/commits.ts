// In the writer thread: one batch, one row, one transaction.
import type { Database, Statement } from 'better-sqlite3'
import type { DeviceState } from './device-state.ts'
import type { FrameCursor } from './frame.ts'
import { inspect } from './inspect.ts'
import type { SealedBatch } from './journal.ts'

export class Commits {
  readonly #db: Database
  readonly #deviceToCheck: (number: number) => DeviceState | undefined
  readonly #insertBatch: Statement
  readonly #insertDevice: Statement

  /** `deviceToCheck`: see `inspect`. */
  constructor(db: Database, deviceToCheck: (number: number) => DeviceState | undefined = () => undefined) {
    this.#db = db
    this.#deviceToCheck = deviceToCheck
    this.#insertBatch = db.prepare('INSERT INTO journal (first_seq, last_seq, count, at_ms, bytes, routed_seq) VALUES (?, ?, ?, ?, ?, ?)')
    this.#insertDevice = db.prepare('INSERT INTO devices (number, id, name, created_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
  }

  /** The cursor stands before the batch's first frame. */
  store(batch: SealedBatch, cursor: FrameCursor): Pick<ReturnType<typeof inspect>, 'refused' | 'checked'> {
    const { refused, checked, devices } = inspect(cursor, this.#deviceToCheck)
    this.#db.transaction(() => {
      for (const { number, id, atMs } of devices) this.#insertDevice.run(number, id, id, atMs)
      this.#insertBatch.run(batch.firstSeq, batch.lastSeq, batch.count, batch.atMs, cursor.bytes, batch.routedSeq)
    })()
    return { refused, checked }
  }
}
