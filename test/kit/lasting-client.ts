// A client that keeps its side of a session as MQTT asks it to, over any number of connections and whatever becomes of the hub: what it has
// sent and seen no acknowledgement of, and which messages at QoS 2 it has taken. It holds the hub to the same.
import { connect, type Socket } from 'node:net'
import mqttPacket, { type IConnackPacket, type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet'

/** Who is told of all that happens to a client. */
export interface Owner {
  /** A message for the application: at QoS 2 once, however often it was sent. `again`: it came with the DUP flag. */
  onMessage(client: LastingClient, topic: string, payload: string, again: boolean): void
  /** A packet came and has been handled. */
  onPacket(): void
  /** The connection ended, and not because the client wanted it. */
  onLost(client: LastingClient): void
  /** The hub did what it must not do. */
  onFault(sentence: string): void
}

interface Sent {
  readonly topic: string
  readonly payload: string
  readonly qos: 1 | 2
  /** PUBREC came, so that PUBREL is due. */
  released: boolean
}

export interface ConnectWishes {
  /** MQTT 5: how many PUBLISHes it takes ahead of its acknowledgements. */
  readonly receiveMaximum?: number
  readonly will?: NonNullable<IConnectPacket['will']>
}

/** Few, so that each is used again and again. */
const packetIds = 24

export class LastingClient {
  readonly clientId: string
  readonly version: 4 | 5
  readonly #owner: Owner
  readonly #clean: boolean
  /** The hub has answered something that waits for the disk: from here on it knows the session. */
  #isKnown = false
  /** In the order in which they are sent again.  5: [MQTT-4.6.0-1]  3.1.1: [MQTT-4.6.0-1], [MQTT-4.6.0-4] */
  readonly #sent = new Map<number, Sent>()
  /** Messages at QoS 2 that were taken and not released, by packet identifier: method A of 3.1.1, figure 4.3. */
  readonly #taken = new Map<number, string>()
  #lastId = 0
  #acksAtOnce = 1
  /** Called when a message of its own was acknowledged for good. */
  onAcknowledged: (() => void) | undefined = undefined
  /** PUBLISHes and PUBRELs that it has sent more than once. */
  resent = 0

  // ── of the present connection ──
  #socket: Socket | undefined
  #isConnected = false
  #receiveMaximum = 65_535
  /** PUBLISHes that came and whose exchange is not over.  5: section 4.9 */
  readonly #open = new Set<number>()
  #acks: Packet[] = []
  /** Who waits for an answer; by packet identifier, 0 for CONNACK. False when the connection ends first. */
  readonly #asked = new Map<number, (answered: boolean) => void>()
  #whenClosed: (() => void)[] = []

  constructor(clientId: string, version: 4 | 5, owner: Owner, clean = false) {
    this.clientId = clientId
    this.version = version
    this.#owner = owner
    this.#clean = clean
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** PUBLISHes of its own that are not acknowledged. */
  get unacknowledged(): number {
    return this.#sent.size
  }

  /** Messages at QoS 2 that it has taken and that the hub has not released. */
  get unreleased(): number {
    return this.#taken.size
  }

  /** Opens a connection; one that is open is left to the hub to close. False when it ended before CONNACK. */
  connect(port: number, { receiveMaximum = 64, will }: ConnectWishes = {}): Promise<boolean> {
    this.#forgetConnection()
    this.#receiveMaximum = this.version === 5 ? receiveMaximum : 65_535
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket = socket
    const parser = mqttPacket.parser({ protocolVersion: this.version })
    parser.on('packet', (packet) => {
      if (this.#socket === socket) this.#onPacket(packet)
    })
    socket.on('data', (chunk) => parser.parse(chunk))
    socket.on('error', () => {}) // told by its closing
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#forgetConnection()
      this.#owner.onLost(this)
    })
    const properties = this.version === 5 ? { properties: { sessionExpiryInterval: this.#clean ? 0 : 3600, receiveMaximum } } : {}
    this.#send({
      cmd: 'connect',
      clientId: this.clientId,
      clean: this.#clean,
      keepalive: 0,
      protocolId: 'MQTT',
      protocolVersion: this.version,
      ...(will === undefined ? {} : { will }),
      ...properties,
    })
    return this.#answer(0)
  }

  /** Says DISCONNECT; resolves once the hub has closed. */
  leave(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return Promise.resolve()
    this.#send({ cmd: 'disconnect' } as Packet)
    this.#forgetConnection()
    return new Promise((resolve) => socket.once('close', () => resolve()))
  }

  /** The socket is destroyed: no DISCONNECT. */
  pullCable(): void {
    this.#socket?.destroy()
    this.#forgetConnection()
  }

  /** Resolves when there is no connection any more. */
  closed(): Promise<void> {
    return this.#socket === undefined ? Promise.resolve() : new Promise((resolve) => this.#whenClosed.push(resolve))
  }

  /** Resolves with true when it was acknowledged on this connection; else it is sent again on the next ones until it is. */
  publish(topic: string, payload: string, qos: 1 | 2): Promise<boolean> {
    const messageId = this.#freeId()
    this.#sent.set(messageId, { topic, payload, qos, released: false })
    this.#send({ cmd: 'publish', topic, payload, qos, messageId, dup: false, retain: false })
    return this.#answer(messageId)
  }

  subscribe(filter: string, qos: 1 | 2): Promise<boolean> {
    const messageId = this.#freeId()
    this.#send({ cmd: 'subscribe', messageId, subscriptions: [{ topic: filter, qos }] } as Packet)
    return this.#answer(messageId)
  }

  unsubscribe(filter: string): Promise<boolean> {
    const messageId = this.#freeId()
    this.#send({ cmd: 'unsubscribe', messageId, unsubscriptions: [filter] } as Packet)
    return this.#answer(messageId)
  }

  /** From now on it acknowledges when so many acknowledgements have gathered. */
  acknowledgeEvery(count: number): void {
    this.#acksAtOnce = count
    if (count === 1) this.#sendAcks()
  }

  #answer(messageId: number): Promise<boolean> {
    return new Promise((resolve) => this.#asked.set(messageId, resolve))
  }

  #freeId(): number {
    do this.#lastId = (this.#lastId % packetIds) + 1
    while (this.#sent.has(this.#lastId) || this.#asked.has(this.#lastId))
    return this.#lastId
  }

  #send(packet: Packet): void {
    this.#socket?.write(mqttPacket.generate(packet, { protocolVersion: this.version }))
  }

  #forgetConnection(): void {
    this.#socket = undefined
    this.#isConnected = false
    this.#open.clear()
    this.#acks = [] // they belong to their connection: the hub sends again what they were for
    const asked = [...this.#asked.values()]
    this.#asked.clear()
    for (const answer of asked) answer(false)
    for (const closed of this.#whenClosed.splice(0)) closed()
  }

  #fault(what: string): void {
    this.#owner.onFault(`${this.clientId} (MQTT level ${this.version}): ${what}`)
  }

  // ── packets ──

  #onPacket(packet: Packet): void {
    const id = packet.messageId ?? 0
    if (packet.cmd === 'connack') this.#onConnack(packet)
    else if (packet.cmd === 'publish') this.#onPublish(packet, id)
    else if (packet.cmd === 'pubrel') this.#onPubrel(id)
    else if (packet.cmd === 'puback' || packet.cmd === 'pubrec' || packet.cmd === 'pubcomp') {
      this.#onAcknowledgement(packet.cmd, id, packet.reasonCode ?? 0)
    } else if (packet.cmd === 'suback' || packet.cmd === 'unsuback') {
      this.#isKnown = true
      this.#answered(id)
    }
    this.#owner.onPacket()
  }

  #onConnack({ sessionPresent, returnCode, reasonCode }: IConnackPacket): void {
    if ((returnCode ?? 0) + (reasonCode ?? 0) !== 0) this.#fault(`CONNACK refused it, ${returnCode ?? reasonCode}`)
    if (this.#isKnown && !this.#clean && !sessionPresent) this.#fault('its session is gone')
    this.#isConnected = true
    for (const [messageId, { topic, payload, qos, released }] of this.#sent) {
      this.resent++
      if (released) this.#send({ cmd: 'pubrel', messageId } as Packet)
      else this.#send({ cmd: 'publish', topic, payload, qos, messageId, dup: true, retain: false }) // 5: [MQTT-4.4.0-1]  3.1.1: [MQTT-4.4.0-1]
    }
    this.#answered(0)
  }

  #onPublish({ topic, payload, qos, dup }: IPublishPacket, id: number): void {
    const text = payload.toString()
    if (this.#open.has(id)) this.#fault(`identifier ${id} is in use on this connection, and came again: ${topic} ${text}`)
    this.#open.add(id)
    if (this.#open.size > this.#receiveMaximum) this.#fault(`more than its Receive Maximum of ${this.#receiveMaximum}`) // 5: [MQTT-3.3.4-9]
    const taken = this.#taken.get(id)
    const described = `${qos} ${topic} ${text}`
    if (taken !== undefined && taken !== described) this.#fault(`would take ${described} for ${taken}, both under identifier ${id}`)
    if (taken !== undefined && !dup) this.#fault(`${described} came again without DUP`) // 5: [MQTT-3.3.1-1]
    if (qos === 2) this.#taken.set(id, described)
    if (taken === undefined) this.#owner.onMessage(this, topic, text, dup)
    this.#acknowledge({ cmd: qos === 2 ? 'pubrec' : 'puback', messageId: id } as Packet)
  }

  #onPubrel(id: number): void {
    const isUnheard = this.#acks.some(({ cmd, messageId }) => cmd === 'pubrec' && messageId === id)
    if (isUnheard) this.#fault(`PUBREL for identifier ${id} before its PUBREC`)
    const known = this.#taken.delete(id)
    this.#acknowledge({ cmd: 'pubcomp', messageId: id, ...(this.version === 5 ? { reasonCode: known ? 0 : 0x92 } : {}) } as Packet)
  }

  #acknowledge(packet: Packet): void {
    this.#acks.push(packet)
    if (this.#acks.length >= Math.min(this.#acksAtOnce, this.#receiveMaximum)) this.#sendAcks()
  }

  #sendAcks(): void {
    for (const packet of this.#acks) {
      this.#send(packet)
      if (packet.cmd !== 'pubrec') this.#open.delete(packet.messageId ?? 0)
    }
    this.#acks = []
  }

  #onAcknowledgement(cmd: 'puback' | 'pubrec' | 'pubcomp', id: number, reasonCode: number): void {
    const sent = this.#sent.get(id)
    const due = sent?.qos === 1 ? 'puback' : sent?.released === true ? 'pubcomp' : 'pubrec'
    if (sent === undefined || cmd !== due) {
      this.#fault(`${cmd} for identifier ${id}, ${sent === undefined ? 'which is not in use' : `where ${due} was due`}`)
      return
    }
    if (reasonCode >= 0x80 && cmd !== 'pubcomp') this.#fault(`${cmd} refused ${sent.topic} ${sent.payload}: ${reasonCode}`)
    this.#isKnown = true
    this.#sent.delete(id)
    if (cmd === 'pubrec') {
      sent.released = true
      this.#sent.set(id, sent)
      this.#send({ cmd: 'pubrel', messageId: id } as Packet)
      return
    }
    this.#answered(id)
    this.onAcknowledged?.()
  }

  #answered(id: number): void {
    const answer = this.#asked.get(id)
    this.#asked.delete(id)
    answer?.(true)
  }
}
