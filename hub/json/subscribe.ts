// `subscribe`, `unsubscribe` and `ack`: what a client asks of its session, over this wire or another.
//
// A subscription is in the tree before the end of its history is fixed: what comes meanwhile is live, what came before is history, and
// nothing is both or neither. In a session that is kept the answer waits for the disk: whoever has seen it is subscribed, whatever happens.
import { Refusal } from '../errors.ts'
import { isSharedFilter, topicFilterProblem } from '../routing/topic-names.ts'
import type { Session } from '../session/session.ts'
import type { JsonEngine } from './engine.ts'
import type { SubscribeFrame } from './frames.ts'

/** What lies between these cursors is not in the journal any more. */
export interface Gap {
  readonly asked: string
  readonly continues: string
}

/** Where the history that a subscription asks for begins. */
export type Beginning =
  | { readonly by: 'cursor'; readonly seq: number; readonly gap: Gap | undefined }
  | { readonly by: 'time'; readonly ms: number }
  | { readonly by: 'count'; readonly count: number }

/** Called once, at any time: with the refusal, or without one when what was asked for is on disk. */
export type Answer = (refusal?: Refusal) => void

/** Errors: a `Refusal`, and then nothing has happened and `answer` is not called. */
export function subscribe(engine: JsonEngine, session: Session, frame: SubscribeFrame, answer: Answer): void {
  const beginning = beginningOf(engine, frame)
  subscribeTo(session, frame)
  answerWhenKept(engine, session, answer)
  const gap = beginHistory(engine, session, frame, beginning, true)
  if (gap !== undefined) session.following?.gap(gap.asked, gap.continues)
}

/** Errors: as of `subscribe`. A filter that was not subscribed is none. */
export function unsubscribe(engine: JsonEngine, session: Session, filter: string, answer: Answer): void {
  assertFilter(filter)
  session.unsubscribe(filter)
  answerWhenKept(engine, session, answer)
}

/** Errors: `cursor-invalid`. */
export function acknowledge({ store }: JsonEngine, session: Session, cursor: string): void {
  session.follower?.acknowledge(store.cursors.placeOf(cursor, store.journal.newestSeq).seq)
}

/** The filter and the beginning are looked at, nothing happens. Errors: `filter-invalid`, `since-invalid`, `cursor-invalid`. */
export function beginningOf(engine: JsonEngine, { filter, since, last }: SubscribeFrame): Beginning | undefined {
  assertFilter(filter)
  if (last !== undefined) return { by: 'count', count: last }
  return since === undefined ? undefined : beginningSince(engine, since)
}

/** True when the filter was not subscribed before. Errors: `too-many-subscriptions`. */
export function subscribeTo(session: Session, { filter, noLocal }: SubscribeFrame): boolean {
  return session.subscribe(filter, { qos: 2, noLocal, retainAsPublished: true, identifier: undefined })
}

/** What precedes the place where the session stands: the history that is asked for, else what is retained, if that is `owed`. */
export function beginHistory(
  { store }: JsonEngine,
  session: Session,
  { filter, retained }: SubscribeFrame,
  beginning: Beginning | undefined,
  owed: boolean,
): Gap | undefined {
  const { follower } = session
  const subscription = session.subscriptions.get(filter)
  if (follower === undefined || subscription === undefined) return undefined
  if (beginning === undefined) {
    if (owed && retained) follower.replayRetained(subscription)
    return undefined
  }
  if (beginning.by === 'cursor') {
    follower.readHistory(filter, beginning.seq)
    return beginning.gap
  }
  const { by } = beginning
  follower.readHistory(filter, by === 'time' ? store.seqAt(beginning.ms) : store.seqOfLast([filter], beginning.count))
  return undefined
}

function assertFilter(filter: string): void {
  const problem = isSharedFilter(filter)
    ? 'shared subscriptions are for MQTT; whoever goes by cursor gets every message'
    : topicFilterProblem(filter)
  if (problem !== undefined) throw new Refusal('filter-invalid', { detail: problem })
}

const isoForm = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/

/** A cursor, ISO 8601 with its zone, or Unix ms as a number or its digits. */
function beginningSince({ store }: JsonEngine, since: string | number): Beginning {
  if (typeof since === 'string' && store.cursors.isCursor(since)) {
    const { seq, known } = store.cursors.placeOf(since, store.journal.newestSeq)
    return { by: 'cursor', seq, gap: known ? undefined : { asked: since, continues: store.cursors.cursorOf(seq) } }
  }
  const isDigits = typeof since === 'string' && /^\d{1,15}$/.test(since)
  const ms = typeof since === 'number' || isDigits ? Number(since) : isoForm.test(since) ? Date.parse(since) : Number.NaN
  if (Number.isFinite(ms) && ms >= 0) return { by: 'time', ms: Math.floor(ms) }
  throw new Refusal('since-invalid', { detail: 'it is a cursor, Unix ms, or a time such as 2026-01-31T12:00:00Z' })
}

function answerWhenKept({ journal }: JsonEngine, session: Session, answer: Answer): void {
  if (session.number === 0) answer()
  else journal.after({ stored: () => answer(), failed: (_token, why) => answer(why) }, 0)
}
