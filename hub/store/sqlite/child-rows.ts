// In the writer thread: a new device that came by a gateway has it from its first message on.
import type { Database, Statement } from 'better-sqlite3'
import type { FrameCursor } from './frame.ts'
import type { RecordRows } from './record-rows.ts'

export class ChildRows implements RecordRows {
  readonly #setGateway: Statement

  constructor(db: Database) {
    this.#setGateway = db.prepare('UPDATE devices SET gateway = (SELECT id FROM devices WHERE id = ?) WHERE number = ?')
  }

  /** A gateway that was deleted meanwhile is none. */
  apply(cursor: FrameCursor): void {
    this.#setGateway.run(cursor.topic(), cursor.device)
  }
}
