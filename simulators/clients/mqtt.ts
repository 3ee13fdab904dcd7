// An MQTT client as a device has one: MQTT 3.1.1 and 5, written from the specifications. Reconnecting is the caller's decision;
// a session that outlives its connection is handed to the next `connectMqtt`.
import { PacketReader, ProtocolViolation, type ServerPacket, type ServerProperties } from './decode.ts'
import * as encode from './encode.ts'
import type { MqttSession } from './session.ts'
import { Waiter } from './waiter.ts'
import type { Wire } from './wire.ts'

export interface MqttOptions {
  /** 3.1.2.4: forget what both sides remember. Default true. */
  readonly cleanStart?: boolean
  /** 5 section 3.1.2.11.2. A 3.1.1 session that is not clean has no end. */
  readonly sessionExpirySeconds?: number
  /** 3.1.2.10: at most this long between two packets of ours; 0 turns it off. Default 60. */
  readonly keepAliveSeconds?: number
  readonly username?: string
  readonly password?: string
  readonly will?: encode.Will
  /** PUBLISHes of QoS > 0 under way; MQTT 5 servers may lower it with their Receive Maximum (5: 3.3.4). Default 16. */
  readonly window?: number
  /** For CONNACK, SUBACK, UNSUBACK, PINGRESP and closing. Default 10 s. */
  readonly timeoutMs?: number
  /** The oldest PUBLISH may wait this long for its answer; then the connection counts as dead. Default 30 s. */
  readonly ackTimeoutMs?: number
  /** Aborting pulls the cable. */
  readonly signal?: AbortSignal
  /** Called for each message; without it they queue up for `next()`. */
  readonly onMessage?: (message: encode.Publish) => void
}

export interface PublishOptions {
  readonly qos?: encode.QoS
  readonly retain?: boolean
}

type State = { readonly is: 'connecting' | 'connected' | 'silent' } | { readonly is: 'closed'; readonly why: string }
type Reply = Extract<ServerPacket, { is: 'suback' | 'unsuback' }>

const inboxMax = 10_000 // messages nobody asked for yet; a test that forgets to read should hear of it

/** Sends CONNECT and waits for CONNACK. Rejects when the server refuses, naming the code, or does not answer in time. */
export async function connectMqtt(wire: Wire, session: MqttSession, options: MqttOptions = {}): Promise<MqttClient> {
  const client = new MqttClient(wire, session, options)
  await client.accepted
  return client
}

/** One connection of one session. */
export class MqttClient {
  readonly session: MqttSession
  /** What CONNACK said (3.2.2.2). */
  sessionPresent = false
  properties: ServerProperties = { userProperties: [] }
  readonly accepted: Promise<void>
  /** Settles with the reason when the connection is over, and never rejects. */
  readonly closed: Promise<string>

  readonly #wire: Wire
  readonly #reader: PacketReader
  readonly #options: MqttOptions
  readonly #cleanStart: boolean
  readonly #timeoutMs: number
  readonly #accepted = new Waiter<void>()
  readonly #closed = new Waiter<string>()
  readonly #replies = new Map<number, Waiter<Reply>>()
  readonly #inbox: encode.Publish[] = []
  readonly #readers: Waiter<encode.Publish>[] = []
  #state: State = { is: 'connecting' }
  #window: number
  #wroteAtMs = performance.now()
  #pingedAtMs = -1
  #timer: NodeJS.Timeout

  constructor(wire: Wire, session: MqttSession, options: MqttOptions) {
    const { cleanStart = true, keepAliveSeconds = 60, sessionExpirySeconds, username, password, will } = options
    this.session = session
    this.accepted = this.#accepted.promise
    this.closed = this.#closed.promise
    this.#wire = wire
    this.#reader = new PacketReader(session.version)
    this.#options = options
    this.#cleanStart = cleanStart
    this.#timeoutMs = options.timeoutMs ?? 10_000
    this.#window = options.window ?? 16
    const onClosed = (error: Error | undefined) => this.#close(error?.message ?? 'The server closed the connection.')
    wire.listen({ onBytes: (bytes) => this.#onBytes(bytes), onClosed })
    options.signal?.addEventListener('abort', this.#abort, { once: true })
    this.#timer = setTimeout(() => this.#close(`No CONNACK came within ${this.#timeoutMs} ms.`), this.#timeoutMs)
    const connect = { clientId: session.clientId, cleanStart, keepAliveSeconds, sessionExpirySeconds, username, password, will }
    this.#write(encode.encodeConnect(session.version, connect))
    if (options.signal?.aborted) this.#abort()
  }

  /**
   * 3.3. QoS 0 settles when the packet is handed to the wire; QoS 1 and 2 with the reason code of the answer (3.1.1: always 0).
   * Rejects when the connection ends and the session with it. A kept session settles it on a later connection, or when it is
   * abandoned.
   */
  publish(topic: string, payload: string | Uint8Array, { qos = 1, retain = false }: PublishOptions = {}): Promise<number> {
    if (this.#state.is === 'closed') return Promise.reject(new Error(this.#state.why))
    const bytes = encode.bytesOf(payload)
    if (qos === 0) {
      this.#write(encode.encodePublish(this.session.version, { topic, payload: bytes, qos, retain, duplicate: false, packetId: 0 }))
      return Promise.resolve(0)
    }
    const answer = this.session.add(topic, bytes, qos, retain)
    this.#sendUnsent()
    return answer
  }

  /** 3.8. The granted QoS of each filter, or a code from 0x80 on; rejects without a SUBACK in time. */
  async subscribe(...subscriptions: readonly encode.Subscription[]): Promise<readonly number[]> {
    const { codes } = await this.#ask((packetId) => encode.encodeSubscribe(this.session.version, packetId, subscriptions))
    if (codes.length === subscriptions.length) return codes
    throw new ProtocolViolation(`SUBACK has ${codes.length} codes for ${subscriptions.length} filters.`) // [MQTT-3.9.3-1], 5: the same
  }

  /** 3.10. MQTT 5 has a reason code for each filter, 3.1.1 none. */
  async unsubscribe(...filters: readonly string[]): Promise<readonly number[]> {
    return (await this.#ask((packetId) => encode.encodeUnsubscribe(this.session.version, packetId, filters))).codes
  }

  /** The next message; rejects when none comes in time. */
  next(timeoutMs = this.#timeoutMs): Promise<encode.Publish> {
    const first = this.#inbox.shift()
    if (first) return Promise.resolve(first)
    const reader = new Waiter<encode.Publish>()
    this.#readers.push(reader)
    return reader.within(timeoutMs, `No message came within ${timeoutMs} ms.`).finally(() => {
      const at = this.#readers.indexOf(reader)
      if (at >= 0) this.#readers.splice(at, 1)
    })
  }

  /** 3.14. Says goodbye, so that the will is not sent, and waits for the end of the wire. */
  async disconnect(): Promise<void> {
    if (this.#state.is === 'closed') return
    this.#write(encode.disconnect)
    this.#wire.end()
    const deadline = setTimeout(() => this.#close('Disconnected; the server did not close.'), this.#timeoutMs)
    await this.closed
    clearTimeout(deadline)
  }

  /** No DISCONNECT, and nothing more is sent. */
  pullCable(): void {
    this.#close('The cable was pulled.')
  }

  /** Half-open: the wire stays, but nothing is sent or heard any more. Only the server's keep-alive can find out (3.1.2.10). */
  goSilent(): void {
    if (this.#state.is !== 'connected') return
    this.#state = { is: 'silent' }
    clearTimeout(this.#timer)
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.#state.is === 'silent') return
    try {
      for (const packet of this.#reader.push(bytes)) {
        if (this.#state.is === 'closed') return
        this.#onPacket(packet)
      }
    } catch (error) {
      this.#close(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
    }
  }

  #onPacket(packet: ServerPacket): void {
    const isFirst = this.#state.is === 'connecting'
    if ((packet.is === 'connack') !== isFirst) throw new ProtocolViolation(`${packet.is} while ${this.#state.is}.`) // [MQTT-3.2.0-1]
    switch (packet.is) {
      case 'connack':
        this.#onConnack(packet.code, packet.sessionPresent, packet.properties)
        break
      case 'publish':
        this.#onPublish(packet)
        break
      case 'puback':
      case 'pubcomp':
        this.session.onFinalAnswer(packet.is, packet.packetId, packet.code)
        this.#sendUnsent()
        break
      case 'pubrec':
        this.session.onPubrec(packet.packetId, packet.code, this.#write)
        this.#sendUnsent()
        break
      case 'pubrel':
        this.session.unreleased.delete(packet.packetId)
        this.#write(encode.encodeAnswer('pubcomp', packet.packetId))
        break
      case 'suback':
      case 'unsuback':
        this.#onReply(packet)
        break
      case 'pingresp':
        this.#pingedAtMs = -1
        break
      case 'disconnect':
        this.#close(`The server disconnected with ${wordsOf(packet.code, packet.properties)}.`)
        break
      default:
        packet satisfies never
    }
  }

  #onConnack(code: number, sessionPresent: boolean, properties: ServerProperties): void {
    if (code !== 0) {
      this.#close(`The server refused the connection with ${wordsOf(code, properties)}.`)
      return
    }
    // [MQTT-3.2.2-1], 5: [MQTT-3.2.2-2]
    if (sessionPresent && this.#cleanStart) throw new ProtocolViolation('Session present after a clean start.')
    this.sessionPresent = sessionPresent
    this.properties = properties
    this.#window = Math.min(this.#window, properties.receiveMaximum ?? 65_535)
    this.#state = { is: 'connected' }
    clearTimeout(this.#timer)
    this.#startTicking(properties.serverKeepAliveSeconds ?? this.#options.keepAliveSeconds ?? 60)
    this.session.sendAgain(sessionPresent, this.#write)
    this.#accepted.resolve()
    this.#sendUnsent()
  }

  #onPublish(message: encode.Publish): void {
    if (message.qos === 2) {
      const repeated = this.session.unreleased.has(message.packetId)
      this.session.unreleased.add(message.packetId)
      this.#write(encode.encodeAnswer('pubrec', message.packetId))
      if (repeated) return // 4.3.3: delivered when it came first
    }
    const reader = this.#readers.shift()
    if (this.#options.onMessage) this.#options.onMessage(message)
    else if (reader) reader.resolve(message)
    else if (this.#inbox.push(message) > inboxMax) throw new Error(`More than ${inboxMax} messages wait and nobody asks for them.`)
    if (message.qos === 1) this.#write(encode.encodeAnswer('puback', message.packetId))
  }

  #onReply(reply: Reply): void {
    const asked = this.#replies.get(reply.packetId)
    if (asked === undefined) throw new ProtocolViolation(`${reply.is} for ${reply.packetId}, which is not in use.`)
    this.#replies.delete(reply.packetId)
    this.session.otherPacketIds.delete(reply.packetId)
    asked.resolve(reply)
  }

  #ask(packet: (packetId: number) => Buffer): Promise<Reply> {
    if (this.#state.is !== 'connected') return Promise.reject(new Error(`The connection is ${this.#state.is}.`))
    const packetId = this.session.takePacketId()
    const reply = new Waiter<Reply>()
    this.#replies.set(packetId, reply)
    this.session.otherPacketIds.add(packetId)
    this.#write(packet(packetId))
    return reply.within(this.#timeoutMs, `No answer to a subscription came within ${this.#timeoutMs} ms.`)
  }

  #sendUnsent(): void {
    if (this.#state.is === 'connected') this.session.send(this.#window, this.#write)
  }

  /** One timer for keep-alive, a missing PINGRESP and a missing answer. */
  #startTicking(keepAliveSeconds: number): void {
    const pingAfterMs = keepAliveSeconds === 0 ? Number.POSITIVE_INFINITY : keepAliveSeconds * 500 // half: room for a late timer
    const ackTimeoutMs = this.#options.ackTimeoutMs ?? 30_000
    const tick = () => {
      const nowMs = performance.now()
      const pingMs = this.#pingedAtMs < 0 ? 0 : nowMs - this.#pingedAtMs
      const answerMs = nowMs - (this.session.oldestSentAtMs ?? nowMs)
      if (pingMs > this.#timeoutMs) this.#close(`No PINGRESP came within ${this.#timeoutMs} ms.`)
      else if (answerMs > ackTimeoutMs) this.#close(`No answer to a PUBLISH came within ${ackTimeoutMs} ms.`)
      else if (this.#pingedAtMs < 0 && nowMs - this.#wroteAtMs >= pingAfterMs) {
        this.#pingedAtMs = nowMs
        this.#write(encode.pingRequest)
      }
    }
    this.#timer = setInterval(tick, Math.max(20, Math.min(pingAfterMs, this.#timeoutMs, ackTimeoutMs) / 2))
  }

  readonly #write = (bytes: Uint8Array): void => {
    if (this.#state.is === 'silent') return
    this.#wroteAtMs = performance.now()
    this.#wire.write(bytes)
  }

  readonly #abort = (): void => this.#close('The caller gave up.')

  #close(why: string): void {
    if (this.#state.is === 'closed') return
    this.#state = { is: 'closed', why }
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#wire.destroy()
    const error = new Error(why)
    this.#accepted.reject(error)
    this.accepted.catch(() => {}) // whoever awaits it hears of it; when nobody does any more, it is no fault
    for (const packetId of this.#replies.keys()) this.session.otherPacketIds.delete(packetId)
    for (const waiting of [...this.#replies.values(), ...this.#readers]) waiting.reject(error)
    // A clean session ends with its connection (3.1.2.4, 5: 3.1.2.11.2), and so does what it was owed.
    if (this.#cleanStart) this.session.abandon(why)
    this.#closed.resolve(why)
  }
}

function wordsOf(code: number, { reason }: ServerProperties): string {
  return `0x${code.toString(16).padStart(2, '0')}${reason === undefined ? '' : ` (${reason})`}`
}
