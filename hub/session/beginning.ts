// Where a history begins: said as a cursor, as a time, or as a count of messages.
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Cursors } from '../store/cursors.ts'
import type { Journal, Store } from '../store/store.ts'

export type Beginning =
  | { readonly is: 'cursor'; readonly cursor: string }
  | { readonly is: 'time'; readonly atMs: number }
  | { readonly is: 'last'; readonly count: number }

/** A place to begin at. */
export interface Begun {
  readonly afterSeq: number
  /** There when messages are missing between what was asked for and what the journal has. */
  readonly gap: { readonly asked: string; readonly continues: string } | undefined
}

export interface BeginningStore extends Pick<Store, 'past' | 'seqOfLast' | 'seqAt' | 'cursors'> {
  readonly journal: Pick<Journal, 'newestSeq'>
}

/** `since`: a cursor, Unix ms, or ISO 8601. Errors: `since-invalid`. */
export function readSince(since: string | number, cursors: Cursors): Beginning {
  if (typeof since === 'string' && cursors.isCursor(since)) return { is: 'cursor', cursor: since }
  const atMs = typeof since === 'number' || /^\d+$/.test(since) ? Number(since) : Date.parse(since)
  if (Number.isSafeInteger(Math.trunc(atMs))) return { is: 'time', atMs }
  throw new Refusal('since-invalid', { detail: `"${String(since).slice(0, 64)}" is no cursor, no Unix time in ms and no ISO 8601` })
}

/** Errors: `since-invalid`. */
export function readLast(last: string | number): Beginning {
  const count = typeof last === 'number' || /^\d+$/.test(last) ? Number(last) : Number.NaN
  if (Number.isInteger(count) && count >= 0 && count <= limits.historyMessages) return { is: 'last', count }
  throw new Refusal('since-invalid', { detail: `last is a whole number up to ${limits.historyMessages} (limits.historyMessages)` })
}

/** Finds the place, for messages that match one of the filters. */
export async function begin(beginning: Beginning, filters: readonly string[], store: BeginningStore): Promise<Begun> {
  if (beginning.is === 'time') return { afterSeq: await store.seqAt(beginning.atMs), gap: undefined }
  if (beginning.is === 'last') return { afterSeq: await store.seqOfLast(filters, beginning.count), gap: undefined }
  const { seq, known } = store.cursors.placeOf(beginning.cursor, store.journal.newestSeq)
  const { trimmedSeq } = await store.past({ filters, afterSeq: seq, toSeq: seq })
  const afterSeq = Math.max(seq, trimmedSeq)
  const gap = known && afterSeq === seq ? undefined : { asked: beginning.cursor, continues: store.cursors.cursorOf(afterSeq) }
  return { afterSeq, gap }
}
