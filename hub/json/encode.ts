// Frames of the hub as JSON text. A message on its way to many is encoded once.
import type { Message } from '../../devices/message.ts'
import type { Refusal } from '../errors.ts'
import { payloadMember } from '../routing/payload.ts'
import type { Passing } from '../session/connection.ts'
import type { Cursors } from '../store/cursors.ts'
import type { FrameId } from './frames.ts'

/** Encodings of the message that is being handed on right now, by the way it is passed. */
const shared: { [how in Passing]: string | undefined } = { live: undefined, history: undefined, retained: undefined }
let sharedMessage: Message | undefined

/** One line of text: no newline is in it. */
export function messageFrame(message: Message, how: Passing, clientId: string, cursors: Cursors): string {
  if (how !== 'retained' && isCommandTo(clientId, message.topic)) return commandFrame(message, clientId, how, cursors)
  if (message !== sharedMessage) {
    sharedMessage = message
    shared.live = shared.history = shared.retained = undefined
  }
  shared[how] ??= encodeMessage(message, how, cursors)
  return shared[how]
}

/** The cursor that `messageFrame` says; undefined for a message that is live only, or retained. */
export function cursorOf({ seq }: Message, how: Passing, cursors: Cursors): string | undefined {
  return seq === 0 || how === 'retained' ? undefined : cursors.cursorOf(seq)
}

function encodeMessage(message: Message, how: Passing, cursors: Cursors): string {
  const { topic, payload, qos, atMs } = message
  return `{"is":"message","topic":${JSON.stringify(topic)},${payloadMember(payload)},"qos":${qos},"at":${atMs}${place(message, how, cursors)}}`
}

function place(message: Message, how: Passing, cursors: Cursors): string {
  const cursor = cursorOf(message, how, cursors)
  const said = cursor === undefined ? '' : `,"cursor":"${cursor}"`
  return how === 'live' ? said : how === 'history' ? `${said},"history":true` : ',"retain":true'
}

function commandPrefix(clientId: string): string {
  return `devices/${clientId}/commands/`
}

function isCommandTo(clientId: string, topic: string): boolean {
  return topic.startsWith('devices/') && topic.startsWith(commandPrefix(clientId))
}

/** The members of the payload when it is an object; else the payload as in a message. What the hub says of the command wins. */
function commandFrame(message: Message, clientId: string, how: Passing, cursors: Cursors): string {
  const { topic, payload, atMs: at } = message
  const given = JSON.parse(`{${payloadMember(payload)}}`) as { readonly payload?: unknown }
  const members = typeof given.payload === 'object' && given.payload !== null && !Array.isArray(given.payload) ? given.payload : given
  const history = how === 'history' ? true : undefined
  const id = topic.slice(commandPrefix(clientId).length)
  return JSON.stringify({ ...members, is: 'command', id, at, cursor: cursorOf(message, how, cursors), history })
}

export interface Welcome {
  readonly client: string
  readonly resumed: boolean
  readonly expiry: number
  readonly keepAlive: number
  readonly cursor: string
  readonly now: number
}

export function welcomeFrame(welcome: Welcome): string {
  return JSON.stringify({ is: 'welcome', ...welcome })
}

/** What the frame of this id asked for is on disk. */
export function ackFrame(id: FrameId): string {
  return `{"is":"ack","id":${JSON.stringify(id)}}`
}

export function gapFrame(asked: string, continues: string): string {
  return JSON.stringify({
    is: 'gap',
    asked,
    continues,
    detail: `Messages between ${asked} and ${continues} are not in the journal any more.`,
  })
}

export function errorFrame({ code, message: detail, row: { retry } }: Refusal, id?: FrameId | undefined): string {
  return JSON.stringify({ is: 'error', id, code, detail, retry })
}

export function pongFrame(cursor: string, now: number): string {
  return `{"is":"pong","cursor":"${cursor}","now":${now}}`
}
