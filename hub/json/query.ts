// The query of a GET as the hello it stands for.
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, boolean, integer, number, optional, type Schema, string } from '../schema.ts'
import type { HelloFrame, SubscribeFrame } from './frames.ts'

export interface DownQuery {
  readonly client?: string
  readonly clean: boolean
  readonly expiry?: number
  readonly after?: string
  readonly lastEventId?: string
  readonly filter: readonly string[]
  readonly since?: string
  readonly last?: number
  readonly retained: boolean
}

// ── what the queries take ──

export const filterMember = array(string(), {
  default: [],
  description: 'Topic filter to subscribe to, with `+` and `#` as in MQTT; may repeat',
})
export const sinceMember = optional(
  string({ description: 'History first: from a cursor, or from a time (Unix ms or ISO 8601), for filters that are new' }),
)
export const lastMember = optional(
  integer({ minimum: 0, maximum: limits.historyMessages, description: 'History first: so many of the newest messages' }),
)
export const afterMember = optional(string({ description: 'Cursor to go on from; all before it counts as dealt with' }))
export const clientMember = optional(string({ minLength: 1, maxLength: limits.topicBytes, description: 'Client identifier' }))
export const cleanMember = boolean({ default: false, description: 'Forget what the session was and begin anew' })
export const retainedMember = boolean({ default: true, description: 'Retained messages of new filters come first' })

export function expiryMember(standard: number): ReturnType<typeof optional> {
  return optional(
    number({ minimum: 0, maximum: 0xffff_ffff, description: `Seconds the session outlives its connection; ${standard} when left out` }),
  )
}

export function waitMember(standard: number): Schema {
  return number({
    minimum: 0,
    maximum: limits.pollSeconds,
    default: standard,
    description: 'Seconds to wait when there is nothing; 0 to look only',
  })
}

/**
 * `after` wins over `since` and `last`: whoever goes on has seen the history, and the retained messages. `isFresh`: nothing is remembered of
 * the client, so that its session itself begins where the history does.
 */
export function helloOf(query: DownQuery, standardExpiry: number, after: string | undefined): HelloFrame {
  const { client, clean, expiry = standardExpiry, filter: filters, since, last, retained } = query
  if (since !== undefined && last !== undefined) throw new Refusal('request-invalid', { detail: 'the query has since or last, not both' })
  const history = after === undefined ? { since: timeOrCursor(since), last } : { since: undefined, last: undefined }
  const subscribe = filters.map(
    (filter): SubscribeFrame => ({ is: 'subscribe', filter, ...history, retained: retained && after === undefined, noLocal: false }),
  )
  return { is: 'hello', client, clean, expiry, keepAlive: undefined, after, subscribe, will: undefined }
}

/** Digits alone are Unix ms. */
function timeOrCursor(since: string | undefined): string | number | undefined {
  return since !== undefined && /^\d+$/.test(since) ? Number(since) : since
}
