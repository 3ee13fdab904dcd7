// The packets a server sends, cut out of a stream of bytes and read strictly: whatever the specifications forbid a server to send
// is a `ProtocolViolation`, because a simulator that shrugs finds no bugs. MQTT 3.1.1 and 5, chapters 2 and 3.
import type { MqttVersion, Publish, QoS } from './encode.ts'

/** What a CONNACK or DISCONNECT of MQTT 5 may say about the connection (5 section 2.2.2). Undefined: the server did not say. */
export interface ServerProperties {
  readonly receiveMaximum?: number
  readonly packetBytesMax?: number
  readonly assignedClientId?: string
  readonly serverKeepAliveSeconds?: number
  readonly sessionExpirySeconds?: number
  readonly reason?: string
  readonly userProperties: readonly (readonly [name: string, value: string])[]
}

export type ServerPacket =
  | { readonly is: 'connack'; readonly sessionPresent: boolean; readonly code: number; readonly properties: ServerProperties }
  | ({ readonly is: 'publish' } & Publish)
  | { readonly is: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'; readonly packetId: number; readonly code: number }
  | { readonly is: 'suback' | 'unsuback'; readonly packetId: number; readonly codes: readonly number[] }
  | { readonly is: 'pingresp' }
  | { readonly is: 'disconnect'; readonly code: number; readonly properties: ServerProperties }

export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}

const packetBytesMax = 16 * 1024 * 1024 // a server of ours sends nothing near it; a wrong length must not make us wait for ever

/** Collects bytes until packets are whole. Chunks may end anywhere, also within a length. */
export class PacketReader {
  readonly #version: MqttVersion
  #held: Buffer = Buffer.alloc(0)

  constructor(version: MqttVersion) {
    this.#version = version
  }

  /** The packets that `chunk` completes, in their order. Throws `ProtocolViolation`; the stream is of no use afterwards. */
  push(chunk: Uint8Array): ServerPacket[] {
    this.#held = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk])
    const packets: ServerPacket[] = []
    let at = 0
    for (;;) {
      const header = headerAt(this.#held, at)
      if (header === undefined || header.end > this.#held.length) break
      packets.push(decode(this.#version, this.#held[at]!, new Fields(this.#held.subarray(header.start, header.end))))
      at = header.end
    }
    this.#held = this.#held.subarray(at)
    return packets
  }
}

function headerAt(bytes: Buffer, at: number): { start: number; end: number } | undefined {
  let length = 0
  for (let index = 1; index <= 4; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    length |= (byte & 0x7f) << (7 * (index - 1))
    if (byte < 0x80) {
      if (length > packetBytesMax) throw new ProtocolViolation(`The server declares a packet of ${length} bytes.`)
      return { start: at + index + 1, end: at + index + 1 + length }
    }
  }
  throw new ProtocolViolation('The remaining length is longer than four bytes.') // 2.2.3, 5: 1.5.5
}

function decode(version: MqttVersion, first: number, fields: Fields): ServerPacket {
  const packet = fieldsOf(version, first, fields)
  if (fields.left > 0) throw new ProtocolViolation(`${fields.left} bytes too many in a ${packet.is}.`)
  return packet
}

function fieldsOf(version: MqttVersion, first: number, fields: Fields): ServerPacket {
  const isFive = version === '5'
  const kind = first >> 4
  if (kind !== 3) checkFlags(kind, first & 0x0f)
  switch (kind) {
    case 2: {
      const flags = fields.byte()
      if (flags > 1) throw new ProtocolViolation('Reserved CONNACK flags are set.') // 3.2.2.1
      const code = fields.byte()
      const properties = isFive ? fields.properties() : nothing
      if (flags === 1 && code !== 0) throw new ProtocolViolation('Session present beside an error.') // [MQTT-3.2.2-4], 5: [MQTT-3.2.2-6]
      return { is: 'connack', sessionPresent: flags === 1, code, properties }
    }
    case 3:
      return publishOf(isFive, first, fields)
    case 4:
    case 5:
    case 6:
    case 7: {
      const packetId = fields.packetId()
      // 5 sections 3.4.2.1 and 3.4.2.2.1: the code may be left out, and the properties after it.
      const code = isFive && fields.left > 0 ? fields.byte() : 0
      if (isFive && fields.left > 0) fields.properties()
      return { is: answers[kind]!, packetId, code }
    }
    case 9:
    case 11: {
      const packetId = fields.packetId()
      if (isFive) fields.properties()
      return { is: kind === 9 ? 'suback' : 'unsuback', packetId, codes: [...fields.rest()] }
    }
    case 13:
      return { is: 'pingresp' }
    case 14: {
      if (!isFive) throw new ProtocolViolation('A 3.1.1 server does not send DISCONNECT.') // 3.14
      const code = fields.left > 0 ? fields.byte() : 0
      return { is: 'disconnect', code, properties: fields.left > 0 ? fields.properties() : nothing }
    }
    default:
      throw new ProtocolViolation(`A server does not send packets of type ${kind}.`)
  }
}

const answers: Readonly<Record<number, 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'>> = {
  4: 'puback',
  5: 'pubrec',
  6: 'pubrel',
  7: 'pubcomp',
}

/** 2.2.2, 5: 2.1.3: only PUBREL has a flag set; all others are 0. */
function checkFlags(kind: number, flags: number): void {
  if (flags !== (kind === 6 ? 2 : 0)) throw new ProtocolViolation(`Flags ${flags} on a packet of type ${kind}.`)
}

function publishOf(isFive: boolean, first: number, fields: Fields): ServerPacket {
  const qos = ((first >> 1) & 3) as QoS | 3
  if (qos === 3) throw new ProtocolViolation('QoS 3 does not exist.') // [MQTT-3.3.1-4]
  const topic = fields.text()
  if (/[+#\0]/.test(topic)) throw new ProtocolViolation(`The topic name ${JSON.stringify(topic)} is not one.`) // [MQTT-3.3.2-2]
  const packetId = qos === 0 ? 0 : fields.packetId()
  if (isFive) fields.properties()
  const payload = Buffer.from(fields.rest()) // a copy: the view would keep the whole chunk
  return { is: 'publish', topic, payload, qos, retain: (first & 1) === 1, duplicate: (first & 8) === 8, packetId }
}

const nothing: ServerProperties = { userProperties: [] }

/** How wide each property is (5 table 2-4): a byte, two, four, a variable byte integer, text, binary data, a pair of texts. */
const propertyShapes: Readonly<Record<number, 'byte' | 'two' | 'four' | 'variable' | 'text' | 'binary' | 'pair'>> = {
  1: 'byte',
  2: 'four',
  3: 'text',
  8: 'text',
  9: 'binary',
  11: 'variable',
  17: 'four',
  18: 'text',
  19: 'two',
  21: 'text',
  22: 'binary',
  26: 'text',
  28: 'text',
  31: 'text',
  33: 'two',
  34: 'two',
  35: 'two',
  36: 'byte',
  37: 'byte',
  38: 'pair',
  39: 'four',
  40: 'byte',
  41: 'byte',
  42: 'byte',
}
const propertyNames: Readonly<Record<number, string>> = {
  17: 'sessionExpirySeconds',
  18: 'assignedClientId',
  19: 'serverKeepAliveSeconds',
  31: 'reason',
  33: 'receiveMaximum',
  39: 'packetBytesMax',
}
const repeatable: ReadonlySet<number> = new Set([0x0b, 0x26]) // 5 section 3.3.2.3.7 and 3.3.2.3.8

/** A cursor over one packet's body. Reading past its end is a violation, not an `undefined`. */
class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  take(count: number): Buffer {
    if (this.left < count) throw new ProtocolViolation(`A packet ends ${count - this.left} bytes too early.`)
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  byte(): number {
    return this.take(1)[0]!
  }

  uint16(): number {
    return this.take(2).readUInt16BE()
  }

  packetId(): number {
    const packetId = this.uint16()
    if (packetId === 0) throw new ProtocolViolation('The packet identifier is 0.') // [MQTT-2.3.1-1], 5: [MQTT-2.2.1-3]
    return packetId
  }

  text(): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.take(this.uint16()))
  }

  rest(): Buffer {
    return this.take(this.left)
  }

  variable(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new ProtocolViolation('A variable byte integer is longer than four bytes.')
  }

  /** 5 section 2.2.2. */
  properties(): ServerProperties {
    const fields = new Fields(this.take(this.variable()))
    const userProperties: [string, string][] = []
    const named: Record<string, number | string> = {}
    const seen = new Set<number>()
    while (fields.left > 0) {
      const identifier = fields.byte()
      if (seen.has(identifier) && !repeatable.has(identifier)) throw new ProtocolViolation(`Property ${identifier} comes twice.`)
      seen.add(identifier)
      const value = fields.property(identifier)
      const name = propertyNames[identifier]
      if (identifier === 0x26) userProperties.push(value as [string, string])
      else if (name !== undefined) named[name] = value as number | string
    }
    return { ...named, userProperties }
  }

  property(identifier: number): number | string | Buffer | [string, string] {
    switch (propertyShapes[identifier]) {
      case 'byte':
        return this.byte()
      case 'two':
        return this.uint16()
      case 'four':
        return this.take(4).readUInt32BE()
      case 'variable':
        return this.variable()
      case 'text':
        return this.text()
      case 'binary':
        return this.take(this.uint16())
      case 'pair':
        return [this.text(), this.text()]
      default:
        throw new ProtocolViolation(`A server does not send property ${identifier}.`)
    }
  }
}
