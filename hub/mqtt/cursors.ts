// Cursors in MQTT 5, as user properties: with `cursor` in CONNECT or SUBSCRIBE every message that has a place in the journal says it; with
// `since` (a cursor, Unix ms, ISO 8601) or `last` (a count) in SUBSCRIBE the history of its filters comes first. SUBACK says `gap` where the
// journal does not reach back so far: the cursor from which it goes on.
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { type Beginning, type BeginningStore, type Begun, begin, beginningLast, beginningSince } from '../session/beginning.ts'
import type { Cursors } from '../store/cursors.ts'
import { whenStored } from './acks.ts'
import { isSharedFilter, type SubscribePacket } from './codec.ts'
import type { MqttConnection } from './connection.ts'
import type { UserProperties } from './packets.ts'
import { properties } from './properties.ts'

const name = 'cursor'

export function asksForCursors(userProperties: UserProperties): boolean {
  return userProperties.some(([key]) => key === name)
}

/**
 * Where the history of this filter begins that the SUBSCRIBE asks for; undefined when it asks for none. The client gets cursors from now on.
 * Errors: `since-invalid`, `cursor-invalid`.
 */
export function historyAsked(connection: MqttConnection, { userProperties }: SubscribePacket, filter: string): Promise<Begun> | undefined {
  if (userProperties.length === 0) return undefined
  if (asksForCursors(userProperties)) connection.wantsCursors = true
  const { store } = connection.engine.sessions
  const beginning = beginningIn(userProperties, store)
  if (beginning === undefined) return undefined
  if (isSharedFilter(filter)) throw new Refusal('since-invalid', { detail: 'a shared subscription has no history' })
  connection.wantsCursors = true
  const begun = begin(beginning, [filter], store)
  begun.catch(() => {}) // `answerWithHistories` hears of it
  return begun
}

function beginningIn(userProperties: UserProperties, store: BeginningStore): Beginning | undefined {
  const since = userProperties.find(([key]) => key === 'since')?.[1]
  const last = userProperties.find(([key]) => key === 'last')?.[1]
  if (since !== undefined && last !== undefined) throw new Refusal('since-invalid', { detail: 'say since or last, not both' })
  if (since !== undefined) return beginningSince(since, store)
  return last === undefined ? undefined : beginningLast(/^\d+$/.test(last) ? Number(last) : Number.NaN)
}

/** SUBACK waits until it is known where the histories begin, and for the disk. */
export function answerWithHistories(
  connection: MqttConnection,
  histories: readonly Promise<Begun>[],
  reason: string | undefined,
  answer: (reason: string | undefined, pairs: UserProperties) => void,
): void {
  Promise.all(histories).then(
    (begun) => {
      const gap = begun.find((one) => one.gap !== undefined)?.gap
      const pairs: UserProperties = gap === undefined ? [] : [['gap', gap.continues]]
      const because = gap === undefined ? reason : `Messages between ${gap.asked} and ${gap.continues} are not in the journal any more.`
      whenStored(connection, () => answer(because, pairs))
    },
    (error: Error) => connection.close(error instanceof Refusal ? error : new Refusal('store-failed', { detail: error.message })),
  )
}

/** The message that was handed on last, with its cursor: a fan-out encodes it once. */
let cursored: Message | undefined
let cursoredFrom: Message | undefined

/** The message with its cursor behind its other properties. */
export function withCursor(message: Message, cursors: Cursors): Message {
  if (message !== cursoredFrom || cursored === undefined) {
    const pair = userProperty(name, cursors.cursorOf(message.seq))
    const all = message.properties === undefined ? pair : Buffer.concat([message.properties, pair])
    cursored = { ...message, properties: all }
    cursoredFrom = message
  }
  return cursored
}

/** 5: section 2.2.2.2. Both are short ASCII. */
function userProperty(key: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([properties.userProperty.id, 0, key.length]),
    Buffer.from(key),
    Buffer.from([0, value.length]),
    Buffer.from(value),
  ])
}
