// Where a history begins: said as a cursor, as a time, or as a count of messages.
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Journal, Store } from '../store/store.ts'

/** What lies between these cursors is not in the journal any more. */
export interface Gap {
  readonly asked: string
  readonly continues: string
}

export type Beginning =
  | { readonly by: 'cursor'; readonly seq: number; readonly cursor: string; readonly gap: Gap | undefined }
  | { readonly by: 'time'; readonly ms: number }
  | { readonly by: 'count'; readonly count: number }

/** What finding it asks of the store. */
export interface BeginningStore extends Pick<Store, 'past' | 'seqOfLast' | 'seqAt' | 'cursors'> {
  readonly journal: Pick<Journal, 'newestSeq'>
}

const isoForm = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/

/** A cursor, ISO 8601 with its zone, or Unix ms as a number or its digits. Errors: `since-invalid`. */
export function beginningSince(since: string | number, { cursors, journal }: BeginningStore): Beginning {
  if (typeof since === 'string' && cursors.isCursor(since)) {
    const { seq, known } = cursors.placeOf(since, journal.newestSeq)
    return { by: 'cursor', seq, cursor: since, gap: known ? undefined : { asked: since, continues: cursors.cursorOf(seq) } }
  }
  const isDigits = typeof since === 'string' && /^\d{1,15}$/.test(since)
  const ms = typeof since === 'number' || isDigits ? Number(since) : isoForm.test(since) ? Date.parse(since) : Number.NaN
  if (Number.isFinite(ms) && ms >= 0) return { by: 'time', ms: Math.floor(ms) }
  throw new Refusal('since-invalid', { detail: 'it is a cursor, Unix ms, or a time such as 2026-01-31T12:00:00Z' })
}

/** Errors: `since-invalid`. */
export function beginningLast(count: number): Beginning {
  if (Number.isInteger(count) && count >= 0 && count <= limits.historyMessages) return { by: 'count', count }
  throw new Refusal('since-invalid', { detail: `last is a whole number up to ${limits.historyMessages} (limits.historyMessages)` })
}

/** The number behind which it lies, for messages that match one of the filters. */
export function seqOf(beginning: Beginning, filters: readonly string[], store: BeginningStore): number | Promise<number> {
  if (beginning.by === 'cursor') return beginning.seq
  return beginning.by === 'time' ? store.seqAt(beginning.ms) : store.seqOfLast(filters, beginning.count)
}

/** A place to begin at, for who is told of a gap beforehand. */
export interface Begun {
  readonly afterSeq: number
  readonly gap: Gap | undefined
}

/** Finds the place, and whether the journal still reaches back to it. */
export async function begin(beginning: Beginning, filters: readonly string[], store: BeginningStore): Promise<Begun> {
  const seq = await seqOf(beginning, filters, store)
  if (beginning.by !== 'cursor') return { afterSeq: seq, gap: undefined }
  const { trimmedSeq } = await store.past({ filters, afterSeq: seq, toSeq: seq })
  if (trimmedSeq <= seq) return { afterSeq: seq, gap: beginning.gap }
  return { afterSeq: trimmedSeq, gap: { asked: beginning.cursor, continues: store.cursors.cursorOf(trimmedSeq) } }
}
