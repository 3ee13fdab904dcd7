// Frames of the client: JSON text turned into what it asks for, or into the refusal that says what is wrong with it.
import { type Reply, replyStatuses } from '../../devices/commands.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'

/** Chosen by the client, and said again in the answer. */
export type FrameId = string | number

export interface PublishFrame {
  readonly is: 'publish'
  readonly topic: string
  /** Exactly one of the three is there; `payload` is any JSON. */
  readonly payload?: unknown
  readonly text?: string
  readonly base64?: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface SubscribeFrame {
  readonly is: 'subscribe'
  readonly filter: string
  /** A cursor or a time. */
  readonly since: string | number | undefined
  readonly last: number | undefined
  readonly retained: boolean
  readonly noLocal: boolean
}

export interface HelloFrame {
  readonly is: 'hello'
  readonly client: string | undefined
  /** What proves who it is, where the request that opened the wire does not. */
  readonly token?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly clean: boolean
  readonly expiry: number
  readonly keepAlive: number | undefined
  readonly after: string | undefined
  readonly subscribe: readonly SubscribeFrame[]
  readonly will: (PublishFrame & { readonly delay: number }) | undefined
}

export interface ReplyFrame {
  readonly is: 'reply'
  readonly command: string
  readonly status: Reply['status']
  readonly result: unknown
  readonly reason: string | undefined
}

export type Frame =
  | HelloFrame
  | PublishFrame
  | SubscribeFrame
  | { readonly is: 'unsubscribe'; readonly filter: string }
  | { readonly is: 'ack'; readonly cursor: string }
  | ReplyFrame
  | { readonly is: 'ping' }

export interface ReadFrame {
  readonly id: FrameId | undefined
  /** The refusal when the frame is JSON and yet not a frame. */
  readonly frame: Frame | Refusal
}

type Members = { readonly [name: string]: unknown }

/** `assumed` is what a frame without `is` stands for. Errors: `frame-invalid` for what is no JSON object. */
export function readFrame(text: string, assumed?: 'publish'): ReadFrame {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    // The message of JSON.parse quotes the text, which may be a hello with a token, and what is refused is logged.
    const position = /at position \d+/.exec((error as Error).message)?.[0]
    throw invalid(position === undefined ? 'it is not JSON' : `it is not JSON, ${position}`)
  }
  return frameOf(value, assumed)
}

/** The same of a value that was parsed already. */
export function frameOf(value: unknown, assumed?: 'publish'): ReadFrame {
  if (!isObject(value)) throw invalid('a frame is a JSON object')
  const id = typeof value['id'] === 'number' || (typeof value['id'] === 'string' && value['id'].length <= 64) ? value['id'] : undefined
  try {
    if (value['id'] !== undefined && id === undefined) throw invalid('"id" is a number, or text of at most 64 characters')
    return { id, frame: read(value, value['is'] ?? assumed) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { id, frame: error }
  }
}

function read(members: Members, is: unknown): Frame {
  switch (is) {
    case 'hello':
      return readHello(members)
    case 'publish':
      return readPublish(members)
    case 'subscribe':
      return readSubscribe(members)
    case 'unsubscribe':
      return { is, filter: text(members, 'filter') }
    case 'ack':
      return { is, cursor: text(members, 'cursor') }
    case 'reply':
      return readReply(members)
    case 'ping':
      return { is }
    default:
      throw invalid('"is" is one of hello, publish, subscribe, unsubscribe, ack, reply, ping')
  }
}

function readHello(members: Members): HelloFrame {
  const { subscribe = [], will } = members
  if (!Array.isArray(subscribe)) throw invalid('"subscribe" is a list of {"filter":…}')
  return {
    is: 'hello',
    client: optional(members, 'client', text),
    token: optional(members, 'token', text),
    username: optional(members, 'username', text),
    password: optional(members, 'password', text),
    clean: flag(members, 'clean', false),
    expiry: optional(members, 'expiry', seconds) ?? 0,
    keepAlive: optional(members, 'keepAlive', seconds),
    after: optional(members, 'after', text),
    subscribe: subscribe.map((one: unknown) => {
      if (!isObject(one)) throw invalid('"subscribe" is a list of {"filter":…}')
      return readSubscribe(one)
    }),
    will: will === undefined ? undefined : readWill(will),
  }
}

function readWill(will: unknown): PublishFrame & { readonly delay: number } {
  if (!isObject(will)) throw invalid('"will" is {"topic":…,"payload":…}')
  return { ...readPublish(will), delay: optional(will, 'delay', seconds) ?? 0 }
}

function readPublish(members: Members): PublishFrame {
  const { payload, text: plain, base64, qos = 1 } = members
  const given = [payload, plain, base64].filter((one) => one !== undefined).length
  if (given !== 1) throw invalid('a publish has one of "payload", "text" and "base64"')
  if (qos !== 0 && qos !== 1 && qos !== 2) throw invalid('"qos" is 0, 1 or 2')
  const head = { is: 'publish', topic: text(members, 'topic'), qos, retain: flag(members, 'retain', false) } as const
  if (payload !== undefined) return { ...head, payload }
  return plain === undefined ? { ...head, base64: text(members, 'base64') } : { ...head, text: text(members, 'text') }
}

function readSubscribe(members: Members): SubscribeFrame {
  const { since, last } = members
  if (since !== undefined && typeof since !== 'string' && typeof since !== 'number') throw invalid('"since" is a cursor or a time')
  if (last !== undefined && !(Number.isInteger(last) && (last as number) >= 0 && (last as number) <= limits.historyMessages)) {
    throw invalid(`"last" is a whole number up to ${limits.historyMessages} (limits.historyMessages)`)
  }
  if (since !== undefined && last !== undefined) throw invalid('a subscribe has "since" or "last", not both')
  return {
    is: 'subscribe',
    filter: text(members, 'filter'),
    since,
    last: last as number | undefined,
    retained: flag(members, 'retained', true),
    noLocal: flag(members, 'noLocal', false),
  }
}

function readReply(members: Members): ReplyFrame {
  const { result } = members
  const status = replyStatuses.find((one) => one === members['status'])
  if (status === undefined) throw invalid(`"status" is one of ${replyStatuses.join(', ')}`)
  return { is: 'reply', command: text(members, 'command'), status, result, reason: optional(members, 'reason', text) }
}

function invalid(detail: string): Refusal {
  return new Refusal('frame-invalid', { detail })
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(members: Members, name: string): string {
  const value = members[name]
  if (typeof value !== 'string') throw invalid(`"${name}" is text`)
  return value
}

function seconds(members: Members, name: string): number {
  const value = members[name]
  if (typeof value !== 'number' || !(value >= 0) || value > 0xffff_ffff) throw invalid(`"${name}" is a number of seconds`)
  return value
}

function flag(members: Members, name: string, standard: boolean): boolean {
  const value = members[name] ?? standard
  if (typeof value !== 'boolean') throw invalid(`"${name}" is true or false`)
  return value
}

function optional<T>(members: Members, name: string, read: (members: Members, name: string) => T): T | undefined {
  return members[name] === undefined ? undefined : read(members, name)
}
