// `hello`: who comes, what of it is remembered, and where it goes on from. Nothing here knows the wire, so that a query can say the same.
import type { Will } from '../../devices/will.ts'
import type { Principal } from '../access/principal.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { readPublication } from '../routing/publication.ts'
import { assertAllowed } from '../routing/router.ts'
import type { Gap } from '../session/beginning.ts'
import type { FollowingConnection } from '../session/connection.ts'
import type { Session } from '../session/session.ts'
import type { Place } from '../store/cursors.ts'
import type { JsonEngine } from './engine.ts'
import type { HelloFrame } from './frames.ts'
import { beginHistory, beginningOf, subscribeTo } from './subscribe.ts'

export type Hello = Omit<HelloFrame, 'is' | 'keepAlive' | 'token' | 'username' | 'password'>

export interface Opened {
  readonly session: Session
  readonly resumed: boolean
  /** From where it goes on. */
  readonly cursor: string
  /** What it asked for and the journal cannot give; to be said behind the welcome. */
  readonly gaps: readonly Gap[]
  /** Something is remembered of it: the welcome waits for the disk, so that whoever has seen it can rely on it. */
  readonly isKept: boolean
}

/**
 * Gives the connection its session. It must not be `writable` before its client is welcomed: what the session is owed comes behind, by
 * `session.flush()`. Errors: any `Refusal`, and then the connection has no session.
 */
export function openSession(engine: JsonEngine, connection: FollowingConnection, hello: Hello, comes: Principal): Opened {
  const { sessions, store } = engine
  const clientId = hello.client ?? comes.ownClientId(sessions.newClientId())
  assertClientId(clientId)
  const principal = comes.as(clientId)
  const will = willOf(hello)
  if (will !== undefined) assertAllowed(will.topic, { permissions: principal.permissions, retain: will.retain })
  const after = hello.after === undefined ? undefined : store.cursors.placeOf(hello.after, store.journal.newestSeq)
  if (hello.subscribe.length > limits.subscriptionsPerSession) {
    throw new Refusal('too-many-subscriptions', { limit: limits.subscriptionsPerSession })
  }
  const beginnings = hello.subscribe.map((frame) => beginningOf(engine, frame)) // all is looked at before the session is touched

  const { clean, expiry: expirySeconds } = hello
  const { session, resumed, replaced } = sessions.open(clientId, connection, { clean, expirySeconds, will, principal, follow: { after } })
  const gaps = gapOf(engine, hello.after, after)
  try {
    const cursor = store.cursors.cursorOf(session.follower?.seq ?? 0)
    for (const [at, frame] of hello.subscribe.entries()) {
      const isNew = subscribeTo(session, frame)
      const gap = beginHistory(engine, session, frame, beginnings[at], isNew)
      if (gap !== undefined) gaps.push(gap)
    }
    return { session, resumed, cursor, gaps, isKept: replaced || session.number !== 0 }
  } catch (error) {
    sessions.leave(session, connection, { publishWill: false, why: error instanceof Refusal ? error.code : 'internal-error' })
    throw error
  }
}

/** What a hello without `keepAlive` gets, and the bounds of what others may ask for. */
export function keepAliveGiven(asked: number | undefined): number {
  const { keepAliveSeconds, keepAliveSecondsMin, keepAliveSecondsMax } = limits
  if (asked === undefined) return keepAliveSeconds
  return Math.min(Math.max(Math.ceil(asked), keepAliveSecondsMin), keepAliveSecondsMax)
}

function assertClientId(clientId: string): void {
  const problem = clientIdProblem(clientId)
  if (problem !== undefined) throw new Refusal('client-id-invalid', { detail: problem })
}

function clientIdProblem(clientId: string): string | undefined {
  if (clientId === '') return 'it is empty; leave it out to be given one'
  if (/\p{Surrogate}/u.test(clientId)) return 'it contains half a surrogate pair'
  if (/\p{Cc}/u.test(clientId)) return 'it contains a control character'
  const bytes = Buffer.byteLength(clientId)
  return bytes > limits.clientIdBytes ? `it is ${bytes} bytes long; the limit is ${limits.clientIdBytes} (limits.clientIdBytes)` : undefined
}

function willOf({ will }: Hello): Will | undefined {
  if (will === undefined) return undefined
  return { ...readPublication(will), properties: undefined, delaySeconds: will.delay }
}

function gapOf({ store: { cursors } }: JsonEngine, asked: string | undefined, place: Place | undefined): Gap[] {
  if (asked === undefined || place === undefined || place.known) return []
  return [{ asked, continues: cursors.cursorOf(place.seq) }]
}
