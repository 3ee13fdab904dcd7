// In the writer thread: rows that change in the transaction of the batch that tells of it. So they need no watermark, and no replay after a
// crash: what is in the journal is in the rows. Sessions and series are told of a hundred times as often, and are gathered in memory instead.
import { frameFlags } from '../store.ts'
import { type FrameCursor, frameKinds, recordStays } from './frame.ts'

/** The rows of one kind of record, or of one kind of message. */
export interface RecordRows {
  /** The cursor stands on such a frame. Within the transaction; whatever it throws fails the batch. */
  apply(cursor: FrameCursor): void
}

/** The rows of messages that are read before their commit: what cannot be read, or may not be, changes nothing. */
export interface ReadRows {
  /** The cursor stands on such a message. The clause that says why it is refused; undefined when it is not. As `apply` in all else. */
  take(cursor: FrameCursor): string | undefined
  /** Behind the last one: what was gathered goes into its rows. */
  flush(): void
}

/** A `checked` message that was refused: it is void in what is journalled. */
export interface RefusedRecord {
  readonly seq: number
  readonly code: 'twin-invalid'
  readonly detail: string
}

const messages = frameFlags.reported | frameFlags.event

export function isRecord({ kind, flags }: FrameCursor): boolean {
  return kind === frameKinds.record || (kind === frameKinds.message && (flags & messages) !== 0)
}

/** All of them: by kind of record, and by the flag of the message. */
export interface AllRecordRows {
  readonly records: { readonly [kind: number]: RecordRows }
  readonly reported?: ReadRows
  readonly event?: RecordRows
}

/** The cursor stands before the first frame of the batch. */
export function applyRecords(cursor: FrameCursor, { records, reported, event }: AllRecordRows): RefusedRecord[] {
  const refused: RefusedRecord[] = []
  while (cursor.next()) {
    if (!isRecord(cursor)) continue
    if (cursor.kind === frameKinds.record) records[cursor.flags & ~recordStays]?.apply(cursor)
    else if ((cursor.flags & frameFlags.reported) !== 0) {
      const detail = reported?.take(cursor)
      if (detail === undefined || (cursor.flags & frameFlags.checked) === 0) continue
      refused.push({ seq: cursor.seq, code: 'twin-invalid', detail })
      cursor.makeVoid()
      cursor.seal()
    } else event?.apply(cursor)
  }
  reported?.flush()
  return refused
}
