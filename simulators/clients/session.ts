// What an MQTT client remembers between its connections, and how messages of QoS 1 and 2 are delivered: MQTT 3.1.1 and 5,
// sections 4.1, 4.3 and 4.4. The client half of a session.
import { ProtocolViolation } from './decode.ts'
import { encodeAnswer, encodePublish, type MqttVersion, type Publish, type QoS } from './encode.ts'

/** Who waits for a message: told the reason code of its answer, or why there will be none. */
interface Waiting {
  readonly settle: (reasonCode: number) => void
  readonly fail: (error: Error) => void
}

interface Unsent extends Waiting {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: Exclude<QoS, 0>
  readonly retain: boolean
}

interface Unanswered extends Waiting {
  readonly publish: Publish
  sentAtMs: number
  /** QoS 2: PUBREC has come, so PUBREL is what is repeated now. */
  released: boolean
}

type Write = (bytes: Uint8Array) => void

/** One client identifier, for as long as a device lives. At most one connection uses it at a time. */
export class MqttSession {
  readonly clientId: string
  readonly version: MqttVersion
  /** Packet identifiers a connection uses for SUBSCRIBE and UNSUBSCRIBE: one pool with those of PUBLISH (2.3.1, 5: 2.2.1). */
  readonly otherPacketIds = new Set<number>()
  /** Packet identifiers of QoS 2 messages that arrived and were not released yet (4.3.3). */
  readonly unreleased = new Set<number>()
  /** By packet identifier, in the order they were first sent. */
  readonly #unanswered = new Map<number, Unanswered>()
  /** Waiting for room in the window, first come first sent. */
  readonly #unsent: Unsent[] = []
  #lastPacketId = 0

  constructor(clientId: string, version: MqttVersion = '3.1.1') {
    this.clientId = clientId
    this.version = version
  }

  get unansweredCount(): number {
    return this.#unanswered.size
  }

  /** When the oldest message without an answer was sent, `performance.now()`; undefined when nothing is waited for. */
  get oldestSentAtMs(): number | undefined {
    for (const { sentAtMs } of this.#unanswered.values()) return sentAtMs
    return undefined
  }

  add(topic: string, payload: Uint8Array, qos: Exclude<QoS, 0>, retain: boolean): Promise<number> {
    return new Promise((settle, fail) => {
      this.#unsent.push({ topic, payload, qos, retain, settle, fail })
    })
  }

  /** Sends what fits into the window. */
  send(window: number, write: Write): void {
    while (this.#unanswered.size < window) {
      const next = this.#unsent.shift()
      if (next === undefined) return
      const { settle, fail, ...message } = next
      const publish = { ...message, duplicate: false, packetId: this.takePacketId() }
      this.#unanswered.set(publish.packetId, { publish, sentAtMs: performance.now(), released: false, settle, fail })
      write(encodePublish(this.version, publish))
    }
  }

  /**
   * Sends again after a reconnect: the same identifiers, in the order they were first sent, PUBREL where PUBREC had come
   * ([MQTT-4.4.0-1]). `known`: the server still has the session; to one that forgot us these are new messages.
   */
  sendAgain(known: boolean, write: Write): void {
    if (!known) this.unreleased.clear()
    for (const one of this.#unanswered.values()) {
      one.sentAtMs = performance.now()
      one.released &&= known
      write(one.released ? encodeAnswer('pubrel', one.publish.packetId) : encodePublish(this.version, { ...one.publish, duplicate: known }))
    }
  }

  /** PUBACK of a QoS 1 message, PUBCOMP of a QoS 2 one. Throws when the server may not send it now. */
  onFinalAnswer(is: 'puback' | 'pubcomp', packetId: number, code: number): void {
    const one = this.#unanswered.get(packetId)
    if (one === undefined) throw new ProtocolViolation(`${is} for ${packetId}, which is not in use.`)
    if ((is === 'puback') !== (one.publish.qos === 1)) throw new ProtocolViolation(`${is} for a message of QoS ${one.publish.qos}.`)
    for (const older of this.#unanswered.values()) {
      if (older === one) break
      // [MQTT-4.6.0-2]: PUBACKs come in the order of the PUBLISHes.
      if (is === 'puback' && older.publish.qos === 1)
        throw new ProtocolViolation(`puback for ${packetId} before ${older.publish.packetId}.`)
    }
    this.#unanswered.delete(packetId)
    one.settle(code)
  }

  /** 4.3.3. A code from 0x80 on ends the exchange (5); otherwise PUBREL follows. */
  onPubrec(packetId: number, code: number, write: Write): void {
    const one = this.#unanswered.get(packetId)
    if (one?.publish.qos !== 2) throw new ProtocolViolation(`pubrec for ${packetId}, which is not in use at QoS 2.`)
    if (code < 0x80) {
      one.released = true
      write(encodeAnswer('pubrel', packetId))
      return
    }
    this.#unanswered.delete(packetId)
    one.settle(code)
  }

  /** The next identifier that is not in use: from 1 to 65,535, then round again. */
  takePacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 0xffff) + 1
    while (this.#unanswered.has(this.#lastPacketId) || this.otherPacketIds.has(this.#lastPacketId))
    return this.#lastPacketId
  }

  /** Gives up on everything that was not answered: whoever waits for it is told why. */
  abandon(why: string): void {
    const error = new Error(why)
    const all: readonly Waiting[] = [...this.#unanswered.values(), ...this.#unsent]
    this.#unanswered.clear()
    this.#unsent.length = 0
    this.unreleased.clear()
    for (const one of all) one.fail(error)
  }
}
