// What goes up as lines of POST /v1/stream?client= for the session of a client that has its frames by events or polls.
import { Refusal } from '../errors.ts'
import type { Session } from '../session/session.ts'
import { assertOwner } from '../session/sessions.ts'
import type { JsonEngine } from './engine.ts'
import { type Frame, frameOf } from './frames.ts'
import { type Publisher, reply } from './publish.ts'
import { acknowledge, subscribe, unsubscribe } from './subscribe.ts'

/** Called once, at any time: with the refusal, or with nothing once what was asked for is on disk. */
export type Outcome = (refusal: Refusal | undefined) => void

/** Takes one frame that is no `publish`; nothing is thrown but a bug. */
export function onFrame(engine: JsonEngine, publisher: Publisher, value: unknown, answer: Outcome): void {
  try {
    const { frame } = frameOf(value)
    if (frame instanceof Refusal) throw frame
    act(engine, publisher, frame, answer)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    answer(error)
  }
}

/** Errors: a `Refusal`, and then nothing has happened and `answer` was not called. */
function act(engine: JsonEngine, publisher: Publisher, frame: Frame, answer: Outcome): void {
  switch (frame.is) {
    case 'subscribe':
      subscribe(engine, sessionOf(engine, publisher), frame, answer)
      return
    case 'unsubscribe':
      unsubscribe(engine, sessionOf(engine, publisher), frame.filter, answer)
      return
    case 'ack':
      acknowledge(engine, sessionOf(engine, publisher), frame.cursor)
      answer(undefined)
      return
    case 'reply':
      sessionOf(engine, publisher)
      reply(engine.router, publisher, frame)
      engine.journal.after({ stored: () => answer(undefined), failed: (_token, why) => answer(why) }, 0)
      return
    default:
      throw new Refusal('frame-invalid', { detail: `a stream takes no ${frame.is}; a session is opened by GET /v1/session/events` })
  }
}

/** Errors: `session-unknown`, `client-id-not-yours`. A session that MQTT has is none of ours. */
function sessionOf({ sessions }: JsonEngine, { clientId, principal }: Publisher): Session {
  const session = sessions.find(clientId)
  if (session?.follower === undefined) throw new Refusal('session-unknown', { client: clientId })
  assertOwner(session, principal)
  return session
}
