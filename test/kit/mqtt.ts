// A plain MQTT client for tests: it sends what it is told, legal or not, and keeps what comes back. The hub's own codec has no part in it.
import { once } from 'node:events'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { after, type TestContext } from 'node:test'
import mqttPacket, { type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet'
import { WebSocket } from 'ws'
import type { Clock } from '../../hub/clock.ts'
import type { RefusalCode } from '../../hub/errors.ts'
import { type InProcessHub, startHub, type TestHub } from './hub.ts'

export type Version = 3 | 4 | 5

/** The first bytes of the packets that end an exchange or carry it on. */
const acknowledgements = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const
export type Acknowledgement = keyof typeof acknowledgements

/** How long a test waits for a packet, and for the end of a connection. */
const waitMs = 5000

/** The PUBLISH of `settle`: to a topic that no wildcard matches, with an identifier that no test uses. */
const settling = { topic: '$settle', messageId: 65_534 }

interface Waiting {
  awaits(packet: Packet): boolean
  take(packet: Packet): void
  fail(why: string): void
}

export type WireName = 'TCP' | 'WebSocket'

export class TestClient {
  readonly socket: Duplex
  readonly version: Version
  readonly #parser
  readonly #arrived: Packet[] = []
  readonly #waiting: Waiting[] = []
  readonly #closed: Promise<void>
  #nextId = 0
  #packetsCame = 0
  /** Acknowledge what arrives at QoS 1 and 2 by itself; a misbehaving test turns it off. */
  answers = true

  constructor(socket: Duplex, version: Version) {
    this.socket = socket
    this.version = version
    this.#parser = mqttPacket.parser({ protocolVersion: version })
    this.#parser.on('packet', (packet) => this.#onPacket(packet))
    socket.on('data', (chunk) => this.#parser.parse(chunk))
    socket.on('error', () => {}) // a reset is told by `closed`
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.once('close', () => {
      for (const waiting of [...this.#waiting]) waiting.fail('the connection closed')
    })
  }

  /** Comes back once the connection is closed. The wait is bounded, and begins when this is asked for. */
  get closed(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`${waitMs} ms passed while waiting for the connection to close; ${this.#othersCame()}`))
      const timer = setTimeout(fail, waitMs)
      void this.#closed.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  sendBytes(bytes: Buffer | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes.replaceAll(' ', ''), 'hex') : bytes)
  }

  sendPacket(packet: Packet): void {
    this.sendBytes(mqttPacket.generate(packet, { protocolVersion: this.version }))
  }

  /** One PUBLISH, and nothing is waited for: the caller chooses QoS and identifier, and reads the answer. */
  sendPublish(topic: string, payload: string | Buffer, options: Partial<IPublishPacket> = {}): void {
    this.sendPacket({ cmd: 'publish', topic, payload, qos: 0, retain: false, dup: false, ...options } as IPublishPacket)
  }

  /** An acknowledgement in its shortest form, in MQTT 5 with any code. What the client answers by itself has the longest form. */
  acknowledge(type: Acknowledgement, packetId: number | undefined, code?: number): void {
    if (packetId === undefined) throw new Error(`a ${type} for a packet without an identifier`)
    const body = [packetId >> 8, packetId & 0xff, ...(code === undefined ? [] : [code])]
    this.sendBytes(Buffer.from([acknowledgements[type], body.length, ...body]))
  }

  /** The next packet of this kind, and with this packet identifier if one is given; others stay for whoever asks. */
  async next<T extends Packet['cmd']>(cmd: T, packetId?: number): Promise<Extract<Packet, { cmd: T }>> {
    const awaits = (packet: Packet) => packet.cmd === cmd && (packetId === undefined || packet.messageId === packetId)
    const at = this.#arrived.findIndex(awaits)
    if (at !== -1) return this.#arrived.splice(at, 1)[0] as Extract<Packet, { cmd: T }>
    if (this.socket.closed) throw new Error(`the connection closed before ${cmd} came`)
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        awaits,
        take: (packet) => {
          clearTimeout(timer)
          resolve(packet as Extract<Packet, { cmd: T }>)
        },
        fail: (why) => {
          clearTimeout(timer)
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
          reject(new Error(`${why} while waiting for ${cmd}; ${this.#othersCame()}`))
        },
      }
      const timer = setTimeout(() => waiting.fail(`${waitMs} ms passed`), waitMs)
      this.#waiting.push(waiting)
    })
  }

  /** The next `count` messages, in the order they came. */
  async messages(count: number): Promise<IPublishPacket[]> {
    const messages: IPublishPacket[] = []
    while (messages.length < count) messages.push(await this.next('publish'))
    return messages
  }

  /** Payloads of the next `count` messages, as text. */
  async texts(count: number): Promise<string[]> {
    return (await this.messages(count)).map(({ payload }) => payload.toString())
  }

  /** The packet identifiers of the next `count` packets of this kind, in the order they came. */
  async ids(cmd: Acknowledgement, count: number): Promise<(number | undefined)[]> {
    const ids: (number | undefined)[] = []
    while (ids.length < count) ids.push((await this.next(cmd)).messageId)
    return ids
  }

  /** Messages that came and that nobody asked for, once all that the hub had to say before has arrived. */
  async leftovers(): Promise<IPublishPacket[]> {
    await this.settle()
    return this.#arrived.filter((packet) => packet.cmd === 'publish')
  }

  /** The same messages, taken: they are not found again. */
  async taken(): Promise<IPublishPacket[]> {
    return this.messages((await this.leftovers()).length)
  }

  /** What has come by now, as text; none of it is left. */
  async takenTexts(): Promise<string[]> {
    return this.texts((await this.leftovers()).length)
  }

  /** The packet identifiers of packets of this kind that came and that nobody asked for, up to the same point. */
  async leftoverIds(cmd: Acknowledgement): Promise<(number | undefined)[]> {
    await this.settle()
    return this.#arrived.filter((packet) => packet.cmd === cmd).map(({ messageId }) => messageId)
  }

  /** The reason the hub gives for closing, once it has closed: the code and the sentence in MQTT 5, nothing in 3.x. */
  async goodbye(): Promise<{ code: number; reason: string } | undefined> {
    await this.closed
    const packet = this.#arrived.find(({ cmd }) => cmd === 'disconnect')
    if (packet?.cmd !== 'disconnect') return undefined
    return { code: packet.reasonCode ?? 0, reason: packet.properties?.reasonString ?? '' }
  }

  /** Packets that have arrived and that nobody asked for. */
  get unread(): readonly Packet[] {
    return this.#arrived
  }

  /** A CONNECT, and nothing is waited for: it may be refused, or answered by something else. */
  sendConnect(clientId: string, options: Partial<IConnectPacket> = {}): void {
    const connect = { cmd: 'connect', clientId, clean: true, keepalive: 0, protocolVersion: this.version, ...options } as IConnectPacket
    connect.protocolId = this.version === 3 ? 'MQIsdp' : 'MQTT'
    this.sendPacket(connect)
  }

  async connect(clientId: string, options: Partial<IConnectPacket> = {}) {
    this.sendConnect(clientId, options)
    return this.next('connack')
  }

  async publish(topic: string, payload: string | Buffer, options: Partial<IPublishPacket> = {}): Promise<Packet | undefined> {
    const qos = options.qos ?? 0
    this.sendPublish(topic, payload, { ...(qos === 0 ? {} : { messageId: ++this.#nextId }), ...options })
    if (qos === 0) return undefined
    if (qos === 1) return this.next('puback')
    const received = await this.next('pubrec')
    this.sendPacket({ cmd: 'pubrel', messageId: received.messageId } as Packet)
    return this.next('pubcomp')
  }

  async subscribe(
    topic: string,
    options: {
      qos?: 0 | 1 | 2
      nl?: boolean
      rap?: boolean
      rh?: number
      subscriptionIdentifier?: number
      userProperties?: Record<string, string>
    } = {},
  ) {
    const { subscriptionIdentifier, userProperties, ...subscription } = options
    const given = { ...(subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier }), ...(userProperties && { userProperties }) }
    const properties = Object.keys(given).length === 0 ? {} : { properties: given }
    this.sendPacket({
      cmd: 'subscribe',
      messageId: ++this.#nextId,
      subscriptions: [{ topic, qos: 0, ...subscription }],
      ...properties,
    } as Packet)
    return this.next('suback')
  }

  async unsubscribe(...filters: string[]) {
    this.sendPacket({ cmd: 'unsubscribe', messageId: ++this.#nextId, unsubscriptions: filters } as Packet)
    return this.next('unsuback')
  }

  /** Says goodbye and waits until the hub has closed. */
  async leave(reasonCode = 0, properties: { sessionExpiryInterval?: number } = {}): Promise<void> {
    this.sendPacket({ cmd: 'disconnect', ...(this.version === 5 ? { reasonCode, properties } : {}) } as Packet)
    await this.closed
  }

  /**
   * Comes back once the hub has read all that was sent before. An answer that waits for the disk may come later: PUBACK and PUBREC, and in a
   * session that is kept PUBREL, PUBCOMP, SUBACK, UNSUBACK and a PUBLISH at QoS 2.
   */
  async ping(): Promise<void> {
    this.sendPacket({ cmd: 'pingreq' })
    await this.next('pingresp')
  }

  /**
   * Comes back once the hub has said all that it has to say to what was sent before, also what waited for the disk: PUBACK comes behind every
   * commit that was due, and PINGRESP behind what was said in the same turn. What comes may have consequences, so this ends with a round in
   * which nothing came.
   *
   * The hub refuses the PUBLISH that this sends, so it reaches nobody, whatever they subscribed to; it is counted, as a message and as a
   * refusal. Not for a client that has used up the receive maximum of the hub, nor for a session that a restarted hub still reads from the disk.
   */
  async settle(): Promise<void> {
    let before: number
    do {
      before = this.#packetsCame
      this.sendPublish(settling.topic, '', { qos: 1, messageId: settling.messageId })
      await this.next('puback', settling.messageId)
      await this.ping()
    } while (this.#packetsCame > before + 2) // PUBACK and PINGRESP
  }

  /** The socket is destroyed: no DISCONNECT. */
  pullCable(): void {
    this.socket.destroy()
  }

  #othersCame(): string {
    return `others came: ${this.#arrived.map(({ cmd }) => cmd).join(' ') || 'none'}`
  }

  #onPacket(packet: Packet): void {
    this.#packetsCame++
    if (this.answers && packet.cmd === 'publish' && packet.qos === 1)
      this.sendPacket({ cmd: 'puback', messageId: packet.messageId } as Packet)
    if (this.answers && packet.cmd === 'publish' && packet.qos === 2)
      this.sendPacket({ cmd: 'pubrec', messageId: packet.messageId } as Packet)
    if (this.answers && packet.cmd === 'pubrel') this.sendPacket({ cmd: 'pubcomp', messageId: packet.messageId } as Packet)
    const at = this.#waiting.findIndex((waiting) => waiting.awaits(packet))
    if (at === -1) this.#arrived.push(packet)
    else this.#waiting.splice(at, 1)[0]?.take(packet)
  }
}

/** A WebSocket as a stream of bytes, as MQTT sees it; each write is one binary frame. */
class WebSocketStream extends Duplex {
  readonly #socket: WebSocket

  constructor(socket: WebSocket) {
    super()
    this.#socket = socket
    socket.on('message', (data: Buffer) => this.push(data))
    socket.on('error', () => {}) // told by the closing
    socket.on('close', () => {
      this.push(null)
      this.end()
    })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#socket.send(chunk, () => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.terminate()
    done(error)
  }
}

/** Opens a socket; nothing is said yet. */
export async function dial(t: TestContext, hub: TestHub, version: Version = 4, wire: WireName = 'TCP'): Promise<TestClient> {
  if (wire === 'WebSocket') {
    const webSocket = new WebSocket(`${hub.url.replace('http', 'ws')}/mqtt`, 'mqtt')
    t.after(() => webSocket.terminate())
    const stream = new WebSocketStream(webSocket) // listens before the first frame can come
    await once(webSocket, 'open')
    return new TestClient(stream, version)
  }
  const socket = connect({ port: hub.mqttPort, host: '127.0.0.1', noDelay: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new TestClient(socket, version)
}

/** Opens a socket and a session. */
export async function moor(
  t: TestContext,
  hub: TestHub,
  clientId: string,
  version: Version = 4,
  options: Partial<IConnectPacket> = {},
  wire: WireName = 'TCP',
) {
  const client = await dial(t, hub, version, wire)
  const connack = await client.connect(clientId, options)
  return Object.assign(client, { connack })
}

/** One hub for all tests of a file, which start faster than a hub does. Its clients need names of their own. */
export function hubOfFile(clock?: Clock): Promise<InProcessHub> {
  return startHub({ after } as unknown as TestContext, {}, clock) // all that the kit asks of a test is to be told its end
}

/** Tells when the hub has noticed that a client is gone, by the will that the client left. */
export async function mourner(t: TestContext, hub: TestHub, name: string) {
  const listener = await moor(t, hub, `mourner of ${name}`)
  await listener.subscribe(`gone/${name}`)
  return {
    will: { topic: `gone/${name}`, payload: Buffer.from(name), qos: 0, retain: false } as const,
    gone: () => listener.next('publish'),
  }
}

/** Counts from now on how often the hub refuses with this code, as its page shows it. */
export async function refusalsWith(hub: TestHub, code: RefusalCode): Promise<() => Promise<number>> {
  const count = async () => {
    const { refusals } = (await hub.get('/v1/hub')) as { refusals: { code: string; count: number }[] }
    return refusals.find((refusal) => refusal.code === code)?.count ?? 0
  }
  const before = await count()
  return async () => (await count()) - before
}

/** All that the hub has sent to this client since, in hex. */
export function heardBy(client: TestClient): () => string {
  let hex = ''
  client.socket.on('data', (chunk: Buffer) => {
    hex += chunk.toString('hex')
  })
  return () => hex
}
