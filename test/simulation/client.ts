// A client with a session, as the specification wants it: it keeps what it sent until it is acknowledged and which identifiers it has met,
// over connections; it acknowledges late, loses its connection, comes back. Its wire is two queues that the world empties.
import mqttPacket, { type IConnectPacket, type Packet } from 'mqtt-packet'
import { MqttConnection } from '../../hub/mqtt/connection.ts'
import type { Engine } from '../../hub/mqtt/engine.ts'
import type { Wire } from '../../hub/mqtt/wire.ts'
import type { Session } from '../../hub/session/session.ts'
import type { Incarnation, Ledger, Span, WillRecord } from './ledger.ts'

const protocolVersion = 5

/** One connection, both ends of it. */
export class Line implements Wire {
  readonly transport = 'mqtt-tcp'
  readonly address: string
  readonly host = undefined
  readonly certificate = undefined
  readonly client: Client
  readonly connection: MqttConnection
  readonly #parser = mqttPacket.parser({ protocolVersion })
  /** What the client has written and the hub has not read. */
  toHub: Packet[] = []
  /** What the hub has written and the client has not read. */
  toClient: Packet[] = []
  /** The peer does not read for a while. */
  stalled = false
  paused = false
  /** The hub has closed it. */
  ended = false
  /** It is gone at both ends. */
  closed = false
  session: Session | undefined
  incarnation: Incarnation | undefined
  will: WillRecord | undefined
  heardGoodbye = false
  receiveMaximum = 65_535
  /** Deliveries on this connection that are not acknowledged. */
  readonly unacknowledged = new Set<number>()
  /** The hub has left its session. */
  gone = false
  habits: Habits | undefined

  constructor(client: Client, engine: Engine) {
    this.client = client
    this.address = client.id
    this.#parser.on('packet', (packet) => this.toClient.push(packet))
    this.connection = new MqttConnection(engine, this)
  }

  get waitingBytes(): number {
    return this.stalled ? 1024 * 1024 : 0
  }

  write(bytes: Buffer): void {
    if (!this.closed) this.#parser.parse(bytes)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  end(): void {
    this.ended = true
  }

  destroy(): void {
    this.close()
  }

  /** The wire is cut, or both ends have said goodbye. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.toHub = []
    this.toClient = []
    this.connection.onWireClosed('the wire is gone')
  }

  /** The process at the hub's end is dead. */
  die(): void {
    this.closed = true
    this.toHub = []
    this.toClient = []
  }

  /** The hub reads one packet. */
  hubReads(): Packet | undefined {
    if (this.paused || this.closed || this.ended) return undefined
    const packet = this.toHub.shift()
    if (packet === undefined) return undefined
    if (packet.cmd === 'disconnect') this.heardGoodbye = packet.reasonCode !== 0x04
    this.connection.onBytes(mqttPacket.generate(packet, { protocolVersion }))
    return packet
  }
}

interface Outgoing {
  readonly text: string
  readonly topic: string
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly expirySeconds: number | undefined
  step: 'publish' | 'pubrel'
}

export interface Habits {
  readonly expirySeconds: number
  readonly willDelaySeconds: number | undefined
  /** Deliveries it takes before it acknowledges one. */
  readonly receiveMaximum?: number | undefined
}

export interface Publishing {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly expirySeconds: number | undefined
}

export class Client {
  readonly id: string
  readonly #ledger: Ledger
  readonly #note: (line: string) => void
  line: Line | undefined
  /** CONNACK has come. */
  moored = false
  /** Its session is over, as far as it knows: it must not find an old one. */
  wantsClean = false
  readonly outgoing = new Map<number, Outgoing>()
  readonly #received = new Set<number>()
  /** What it will say when it gets round to it. */
  #toSay: Packet[] = []
  /** By packet identifier: the subscription that SUBACK begins; undefined for an UNSUBSCRIBE. */
  #pending = new Map<number, Span | undefined>()
  /** The session it has last heard of. */
  #known: Incarnation | undefined
  #published = 0
  #connected = 0

  constructor(id: string, ledger: Ledger, note: (line: string) => void) {
    this.id = id
    this.#ledger = ledger
    this.#note = note
  }

  connect(engine: Engine, clean: boolean, { expirySeconds, willDelaySeconds, receiveMaximum = 65_535 }: Habits): Line {
    if (clean) this.wantsClean = true
    const line = new Line(this, engine)
    line.receiveMaximum = receiveMaximum
    this.line = line
    this.moored = false
    this.#toSay = []
    this.#pending = new Map()
    const text = `will:${this.id}:${++this.#connected}`
    const will = {
      topic: `will/${this.id}`,
      payload: Buffer.from(text),
      qos: 2 as const,
      retain: false,
      properties: { willDelayInterval: willDelaySeconds ?? 0 },
    }
    if (willDelaySeconds !== undefined) {
      line.will = {
        text,
        client: this.id,
        delaySeconds: willDelaySeconds,
        expirySeconds,
        verdict: 'open',
        seq: 0,
        left: undefined,
        leftSeq: 0,
        count: 0,
      }
    }
    const connect: IConnectPacket = {
      cmd: 'connect',
      clientId: this.id,
      clean: this.wantsClean,
      keepalive: 0,
      protocolVersion,
      protocolId: 'MQTT',
      properties: { sessionExpiryInterval: expirySeconds, receiveMaximum },
      ...(willDelaySeconds === undefined ? {} : { will }),
    }
    line.toHub.push(connect)
    return line
  }

  /** Its connection is gone; what it had to say on it is not said any more. */
  lost(): void {
    this.line = undefined
    this.moored = false
    this.#toSay = []
    this.#pending = new Map()
  }

  goodbye(reasonCode: number, endsSession: boolean): void {
    const { line } = this
    if (line === undefined || !this.moored) return
    const properties = endsSession ? { sessionExpiryInterval: 0 } : undefined
    line.toHub.push({ cmd: 'disconnect', reasonCode, ...(properties === undefined ? {} : { properties }) } as Packet)
    if (endsSession) this.wantsClean = true
    this.moored = false
  }

  publish({ topic, qos, retain, expirySeconds }: Publishing): string {
    const text = `${this.id}:${++this.#published}`
    const sent = { text, publisher: this.id, topic, qos, expires: expirySeconds !== undefined, at: this.#ledger.now }
    this.#ledger.sent.set(text, { ...sent, ackedAt: Number.POSITIVE_INFINITY, refused: false, strayed: false })
    if (qos === 0) this.#say(0, { text, topic, qos: 1, retain, expirySeconds, step: 'publish' }, false, 0)
    else {
      const packetId = this.#freeId()
      const outgoing: Outgoing = { text, topic, qos, retain, expirySeconds, step: 'publish' }
      this.outgoing.set(packetId, outgoing)
      this.#say(packetId, outgoing, false, qos)
    }
    return text
  }

  subscribe(filter: string, qos: 0 | 1 | 2, identifier: number): void {
    const messageId = this.#freeId()
    for (const span of this.line?.incarnation?.spans ?? []) if (span.filter === filter) span.endAt = Math.min(span.endAt, this.#ledger.now)
    const span: Span = { filter, qos, identifier, sinceAt: Number.POSITIVE_INFINITY, endAt: Number.POSITIVE_INFINITY }
    this.#pending.set(messageId, span)
    this.line?.incarnation?.spans.push(span)
    const subscriptions = [{ topic: filter, qos, nl: false, rap: false, rh: 0 }]
    this.line?.toHub.push({ cmd: 'subscribe', messageId, subscriptions, properties: { subscriptionIdentifier: identifier } } as Packet)
  }

  unsubscribe(filter: string): void {
    const messageId = this.#freeId()
    this.#pending.set(messageId, undefined)
    for (const span of this.line?.incarnation?.spans ?? []) if (span.filter === filter) span.endAt = Math.min(span.endAt, this.#ledger.now)
    this.line?.toHub.push({ cmd: 'unsubscribe', messageId, unsubscriptions: [filter] } as Packet)
  }

  /** Says the next of what it owes the hub. */
  say(): boolean {
    const packet = this.#toSay.shift()
    if (packet === undefined || this.line === undefined) return false
    if (packet.cmd === 'puback' || packet.cmd === 'pubcomp') this.line.unacknowledged.delete(packet.messageId ?? 0)
    this.line.toHub.push(packet)
    return true
  }

  /** Reads one packet. False when there is none. */
  read(): boolean {
    const { line } = this
    if (line === undefined) return false
    const packet = line.toClient.shift()
    if (packet === undefined) {
      if (!line.ended && !line.closed) return false
      this.#note(`${this.id} finds its connection closed`)
      line.close()
      this.lost()
      return true
    }
    this.#hear(packet, line)
    return true
  }

  #hear(packet: Packet, line: Line): void {
    const { incarnation } = line
    const id = packet.messageId ?? 0
    this.#note(`${this.id} ← ${packet.cmd} ${id}${packet.cmd === 'publish' ? ` ${packet.payload.toString()}` : ''}`)
    switch (packet.cmd) {
      case 'connack':
        if (packet.reasonCode !== 0) return
        this.#moor(packet.sessionPresent, line)
        return
      case 'publish': {
        const identifiers = packet.properties?.subscriptionIdentifier
        const shared = [identifiers ?? []].flat().find((identifier) => identifier >= 100) ?? 0
        if (packet.qos > 0) line.unacknowledged.add(id)
        if (line.unacknowledged.size > line.receiveMaximum) this.#ledger.broken(`${this.id} was sent more than its ${line.receiveMaximum}`)
        const isNew = packet.qos !== 2 || !this.#received.has(id)
        if (isNew) this.#take({ text: packet.payload.toString(), qos: packet.qos, retain: packet.retain, shared }, incarnation)
        if (packet.qos === 1) this.#toSay.push({ cmd: 'puback', messageId: id })
        if (packet.qos === 2) {
          this.#received.add(id)
          this.#toSay.push({ cmd: 'pubrec', messageId: id })
        }
        return
      }
      case 'pubrel':
        this.#received.delete(id)
        this.#toSay.push({ cmd: 'pubcomp', messageId: id })
        return
      case 'puback':
        this.#acknowledged(id, incarnation, packet.reasonCode ?? 0)
        this.outgoing.delete(id)
        return
      case 'pubrec': {
        this.#acknowledged(id, incarnation, packet.reasonCode ?? 0)
        const outgoing = this.outgoing.get(id)
        if (outgoing !== undefined) outgoing.step = 'pubrel'
        this.#toSay.push({ cmd: 'pubrel', messageId: id })
        return
      }
      case 'pubcomp':
        if (incarnation !== undefined && (packet.reasonCode ?? 0) === 0) incarnation.durable = true
        this.outgoing.delete(id)
        return
      case 'suback':
      case 'unsuback':
        this.#subscribed(id, incarnation)
        return
      case 'disconnect':
        return
      default:
        this.#ledger.broken(`${this.id} was sent ${packet.cmd}`)
    }
  }

  #moor(present: boolean, line: Line): void {
    this.moored = true
    this.wantsClean = false
    if (!present) {
      this.outgoing.clear()
      this.#received.clear()
    } else if (line.incarnation !== this.#known) {
      // It never saw that its session was a new one: nobody can say what its identifiers mean there.
      for (const { text } of this.outgoing.values()) {
        const sent = this.#ledger.sent.get(text)
        if (sent !== undefined) sent.strayed = true
      }
      this.#received.clear()
    }
    this.#known = line.incarnation
    // What is not acknowledged goes out again, in order.  5: [MQTT-4.4.0-1]
    for (const [packetId, outgoing] of this.outgoing) {
      if (outgoing.step === 'publish') this.#say(packetId, outgoing, true, outgoing.qos)
      else line.toHub.push({ cmd: 'pubrel', messageId: packetId })
    }
  }

  #take(arrival: Incarnation['arrivals'][number], incarnation: Incarnation | undefined): void {
    const will = this.#ledger.wills.get(arrival.text)
    if (will === undefined) incarnation?.arrivals.push(arrival)
    else if (this.id === 'watcher') will.count++
  }

  #acknowledged(packetId: number, incarnation: Incarnation | undefined, reasonCode: number): void {
    const text = this.outgoing.get(packetId)?.text
    const sent = text === undefined ? undefined : this.#ledger.sent.get(text)
    if (sent === undefined || reasonCode >= 0x80) return
    sent.ackedAt = Math.min(sent.ackedAt, this.#ledger.now)
    if (incarnation !== undefined) incarnation.durable = true
  }

  #subscribed(messageId: number, incarnation: Incarnation | undefined): void {
    const pending = this.#pending.get(messageId)
    this.#pending.delete(messageId)
    if (incarnation === undefined) return
    incarnation.durable = true
    if (pending !== undefined) pending.sinceAt = this.#ledger.now
  }

  #say(packetId: number, { text, topic, retain, expirySeconds }: Outgoing, dup: boolean, qos: 0 | 1 | 2): void {
    const properties = expirySeconds === undefined ? {} : { properties: { messageExpiryInterval: expirySeconds } }
    const id = qos === 0 ? {} : { messageId: packetId }
    this.line?.toHub.push({ cmd: 'publish', topic, payload: text, qos, retain, dup, ...id, ...properties } as Packet)
  }

  /** The lowest: identifiers are used again as soon as they may be. */
  #freeId(): number {
    let id = 1
    while (this.outgoing.has(id) || this.#pending.has(id)) id++
    return id
  }
}
