// What devices ask of the hub: a call is a message like any other, kept before anything is done about it, and a command of an extension answers.
import type { DeviceId } from '../../devices/device.ts'
import { answerAddressOf, type Message } from '../../devices/message.ts'
import { answerTopic, callTopic, meaningOf } from '../../devices/topics.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import type { Route } from '../routing/route.ts'
import type { Publication, Router } from '../routing/router.ts'
import type { Schema } from '../schema.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Journal } from '../store/store.ts'
import { type Call, CallRefused } from './extension.ts'
import { type Handler, type Handlers, Late } from './handlers.ts'
import { Lanes, type WaitingBytes } from './lanes.ts'
import { paramsCheck } from './params.ts'

export interface CallsParts {
  readonly router: Router
  readonly journal: Journal
  readonly sessions: Pick<Sessions, 'find'>
  readonly handlers: Handlers
  readonly waitingBytes: WaitingBytes
  readonly clock: Clock
  readonly metrics: Metrics
}

interface Command {
  readonly handler: Handler
  check(params: unknown): string | undefined
  answer(call: Call<unknown>): unknown
}

/** A call that came and is not answered. */
interface Asked {
  readonly device: DeviceId
  readonly callId: string
  readonly message: Message
  readonly dueMs: number
}

/** What the device is told. */
type Answer = { readonly result: unknown } | { readonly error: { readonly code: string; readonly detail: string } }

export class Calls {
  readonly #parts: CallsParts
  readonly #commands = new Map<string, Command>()
  readonly #lanes: Lanes<Asked>
  /** Under way or waiting: a device that sends a call again, because it was cut off, has asked once. */
  readonly #open = new Set<string>()
  /** Who waits in the hub for the answer, by the topic of the call. */
  readonly #waiting = new Map<string, (answer: unknown, why: Refusal | undefined) => void>()
  #lastNumber = 0

  constructor(parts: CallsParts) {
    this.#parts = parts
    this.#lanes = new Lanes(
      parts.waitingBytes,
      (asked) => this.#work(asked),
      (asked) => this.#tooMany(asked),
    )
    parts.router.means('call', { flags: 0, stored: (route, message) => this.#asked(route, message) })
    parts.router.means('answer', { isOwn: true })
  }

  /** Returns what takes it away again. Errors: for a name that is taken, and for what is no schema. */
  add<P>(handler: Handler, name: string, schema: Schema, answer: (call: Call<P>) => unknown): () => void {
    const before = this.#commands.get(name)
    if (before !== undefined) throw new Error(`The extension ${before.handler.extension} answers to ${name} already.`)
    this.#commands.set(name, { handler, check: paramsCheck(schema), answer: (call) => answer(call as Call<P>) })
    return () => void this.#commands.delete(name)
  }

  /**
   * A call that comes by HTTP: published as if by MQTT, and its answer waited for. Errors: those of `Router.publish`, of the journal, and what the
   * device would be told.
   */
  async call(device: DeviceId, name: string, params: unknown, by: Publication): Promise<unknown> {
    const { router, journal, clock } = this.#parts
    const topic = callTopic(device, `http-${clock.now().toString(36)}-${(++this.#lastNumber).toString(36)}`)
    const payload = Buffer.from(JSON.stringify({ name, params }))
    router.publish(router.routeOf(topic), payload, 0, payload.length, by)
    return new Promise((resolve, reject) => {
      this.#waiting.set(topic, (result, why) => (why === undefined ? resolve(result) : reject(why)))
      const failed = (_: number, why: Refusal) => {
        this.#waiting.delete(topic)
        reject(why)
      }
      journal.after({ stored: () => {}, failed }, 0)
    })
  }

  stop(): void {
    this.#lanes.clear()
    for (const [topic, settle] of this.#waiting) {
      this.#waiting.delete(topic)
      settle(undefined, new Refusal('shutting-down', { seconds: 1 }))
    }
  }

  #asked({ meaning, topic }: Route, message: Message): void {
    if (meaning.is !== 'call' || this.#open.has(topic)) return
    const { deviceId: device, callId } = meaning
    const asked = { device, callId, message, dueMs: this.#parts.clock.monotonic() + limits.callSeconds * 1000 }
    if (this.#lanes.waiting(device) >= limits.callsWaiting) {
      this.#tooMany(asked)
      return
    }
    this.#open.add(topic)
    this.#lanes.push(device, asked, topic, message.payload.length)
  }

  #tooMany(asked: Asked): void {
    this.#open.delete(asked.message.topic)
    this.#refuse(asked, new Refusal('too-many-calls', { device: asked.device, limit: limits.callsWaiting }))
  }

  async #work(asked: Asked): Promise<void> {
    try {
      const result = await this.#resultOf(asked)
      this.#answer(asked, { result }, undefined)
    } catch (error) {
      this.#refuse(asked, error as Refusal)
    } finally {
      this.#open.delete(asked.message.topic)
    }
  }

  /** Errors: refusals alone. */
  async #resultOf({ device, message, dueMs }: Asked): Promise<unknown> {
    const { name, params } = readCall(message.payload)
    const command = this.#commands.get(name)
    if (command === undefined) throw new Refusal('call-unknown', { name: JSON.stringify(name.slice(0, 64)) })
    const { handler } = command
    const { extension } = handler
    const why = command.check(params)
    if (why !== undefined) throw new Refusal('call-invalid', { detail: why })
    const late = new Refusal('call-timeout', { extension, name, seconds: limits.callSeconds })
    const leftSeconds = (dueMs - this.#parts.clock.monotonic()) / 1000
    if (leftSeconds <= 0) throw late
    try {
      const result = (await this.#parts.handlers.run(handler, leftSeconds, (signal) => command.answer({ device, params, signal }))) ?? null
      if (Buffer.byteLength(JSON.stringify(result)) > limits.packetBytes / 2) throw new Error('its result is too large for a message')
      return result
    } catch (error) {
      if (error instanceof CallRefused) throw new Refusal('call-refused', { detail: error.message })
      this.#parts.handlers.failed(handler, error, { device })
      throw error instanceof Late ? late : new Refusal('call-failed', { extension, name })
    }
  }

  #refuse(asked: Asked, why: Refusal): void {
    this.#parts.metrics.refused(why.code, `device/${asked.device}`)
    this.#answer(asked, { error: { code: why.code, detail: why.message } }, why)
  }

  #answer({ device, callId, message }: Asked, answer: Answer, why: Refusal | undefined): void {
    const { router } = this.#parts
    const waiting = this.#waiting.get(message.topic)
    this.#waiting.delete(message.topic)
    waiting?.('result' in answer ? answer.result : undefined, why)
    const { topic, properties } = this.#addressOf(device, callId, message)
    try {
      router.say(topic, JSON.stringify(answer), properties)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error // the device asks again when it has waited for long enough
    }
  }

  /**
   * To the response topic of the call, where the device may publish itself: an answer is no way to say what it may not. To `answers/` otherwise,
   * with the correlation data all the same.
   */
  #addressOf(device: DeviceId, callId: string, { properties, from }: Message): { topic: string; properties: Uint8Array | undefined } {
    const own = answerTopic(device, callId)
    const address = answerAddressOf(properties)
    if (address === undefined) return { topic: own, properties: undefined }
    const permissions = from === undefined ? undefined : this.#parts.sessions.find(from)?.principal.permissions
    const { is } = meaningOf(address.topic)
    const isPlain = is === 'plain' || is === 'device' || address.topic === own
    const isAllowed = isPlain && !address.topic.startsWith('$') && permissions?.may('publish', address.topic) === true
    return { topic: isAllowed ? address.topic : own, properties: address.properties }
  }
}

/** Errors: `call-invalid`. */
function readCall(payload: Uint8Array): { name: string; params: unknown } {
  let call: { readonly name?: unknown; readonly params?: unknown } | null
  try {
    call = JSON.parse(new TextDecoder().decode(payload)) as typeof call
  } catch (error) {
    throw new Refusal('call-invalid', { detail: `it is not JSON: ${(error as Error).message}` })
  }
  const name = call?.name
  if (typeof name !== 'string') throw new Refusal('call-invalid', { detail: 'it is {"name":"…","params":…}' })
  return { name, params: call?.params ?? {} }
}
