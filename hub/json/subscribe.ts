// `subscribe`, `unsubscribe` and `ack`: what a client asks of its session, over this wire or another.
//
// A subscription is in the tree before the end of its history is fixed: what comes meanwhile is live, what came before is history, and
// nothing is both or neither. In a session that is kept the answer waits for the disk: whoever has seen it is subscribed, whatever happens.
import { Refusal } from '../errors.ts'
import { isSharedFilter, topicFilterProblem } from '../routing/topic-names.ts'
import { type Beginning, beginningLast, beginningSince, type Gap, seqOf } from '../session/beginning.ts'
import type { Session } from '../session/session.ts'
import type { JsonEngine } from './engine.ts'
import type { SubscribeFrame } from './frames.ts'

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
  if (last !== undefined) return beginningLast(last)
  return since === undefined ? undefined : beginningSince(since, engine.store)
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
  follower.readHistory(filter, seqOf(beginning, [filter], store))
  return beginning.by === 'cursor' ? beginning.gap : undefined
}

function assertFilter(filter: string): void {
  const problem = isSharedFilter(filter)
    ? 'shared subscriptions are for MQTT; whoever goes by cursor gets every message'
    : topicFilterProblem(filter)
  if (problem !== undefined) throw new Refusal('filter-invalid', { detail: problem })
}

function answerWhenKept({ journal }: JsonEngine, session: Session, answer: Answer): void {
  if (session.number === 0) answer()
  else journal.after({ stored: () => answer(), failed: (_token, why) => answer(why) }, 0)
}
