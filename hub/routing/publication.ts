// What a client asks to have published, in the words of JSON: a `publish` frame, or the same members in a query.
import type { QoS } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { type PayloadWords, readPayload } from './payload.ts'
import { topicNameProblem } from './topic-names.ts'

export interface PublicationWords extends PayloadWords {
  readonly topic?: unknown
  /** 1 when left out. */
  readonly qos?: unknown
  /** False when left out. */
  readonly retain?: unknown
}

/** What is said apart from the payload. */
export interface Address {
  /** A valid topic name. */
  readonly topic: string
  readonly qos: QoS
  readonly retain: boolean
}

/**
 * `lastTopic` was found valid before: who says the same topic again and again need not have it looked at.
 * Errors: `topic-invalid`, `request-invalid`, `payload-too-large`.
 */
export function readPublication(words: PublicationWords, lastTopic?: string): Address & { readonly payload: Buffer } {
  const { topic, qos, retain } = readAddress(words, lastTopic)
  return { topic, qos, retain, payload: readPayload(words) }
}

/** Errors: `topic-invalid`, `request-invalid`. */
export function readAddress({ topic, qos = 1, retain = false }: PublicationWords, lastTopic?: string): Address {
  if (typeof topic !== 'string') throw new Refusal('request-invalid', { detail: 'topic is a string, and it is needed' })
  const problem = topic === lastTopic ? undefined : topicNameProblem(topic)
  if (problem !== undefined) throw new Refusal('topic-invalid', { detail: problem })
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new Refusal('request-invalid', { detail: 'qos is 0, 1 or 2' })
  if (typeof retain !== 'boolean') throw new Refusal('request-invalid', { detail: 'retain is true or false' })
  return { topic, qos, retain }
}
