// The frame guard: where a packet ends, and whether it may begin at all. It looks at the first byte and the length alone, and refuses there
// what it can. So a connection never holds more than one packet within the limit, nor much more than twice the bytes that really came.
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { malformed, protocolError, variableInteger } from './integers.ts'
import { type ProtocolVersion, packetType } from './packets.ts'

/** Where a client stands, as the guard sees it: 0 before CONNECT, `authenticating` from a CONNECT that names a method to its CONNACK. */
export type Stage = ProtocolVersion | 0 | typeof authenticating
export const authenticating = 1

/**
 * The size of the packet that begins at `at`, header included; 0 when its header is incomplete at `end`.
 * Errors: `Refusal` when its first byte or its length is not allowed.
 */
export function packetBytesOf(stage: Stage, buffer: Buffer, at: number, end: number): number {
  const first = buffer[at]!
  if (firstBytes[stage][first] === 0) throw firstByteRefusal(stage, first)
  const digits = end - at - 1
  if (digits > 0 && buffer[at + 1]! < 0x80) return withinLimit(stage, 2 + buffer[at + 1]!)
  if (digits > 1 && buffer[at + 2]! < 0x80) return withinLimit(stage, 3 + longLength(buffer, at + 1, 2))
  if (digits > 2 && buffer[at + 3]! < 0x80) return withinLimit(stage, 4 + longLength(buffer, at + 1, 3))
  if (digits > 3 && buffer[at + 4]! < 0x80) return withinLimit(stage, 5 + longLength(buffer, at + 1, 4))
  if (digits > 3) throw malformed('the remaining length takes more than four bytes') // 5: section 1.5.5
  return 0
}

function longLength(buffer: Buffer, at: number, digits: number): number {
  if (buffer[at + digits - 1] === 0) throw malformed('the remaining length is not encoded in the fewest bytes') // 5: [MQTT-1.5.5-1]
  return variableInteger(buffer, at)
}

/** The limits count the whole packet, as Maximum Packet Size does.  5: section 3.2.2.3.6, [MQTT-3.2.2-15] */
function withinLimit(stage: Stage, bytes: number): number {
  const name = stage === 0 || stage === authenticating ? 'connectBytes' : 'packetBytes' // still someone we do not know
  if (bytes > limits[name]) throw new Refusal('packet-too-large', { bytes, limit: limits[name], name })
  return bytes
}

/** The header's size follows from the packet's, because the length is in its fewest bytes. */
export function headerBytes(packetBytes: number): number {
  return packetBytes < 2 + 0x80 ? 2 : packetBytes < 3 + 0x4000 ? 3 : packetBytes < 4 + 0x20_0000 ? 4 : 5
}

/** For each stage and each first byte: whether a client may begin a packet with it. */
const firstBytes: Readonly<Record<Stage, Uint8Array>> = {
  0: Uint8Array.from(firstBytesOf(0)),
  [authenticating]: Uint8Array.from(firstBytesOf(authenticating)),
  3: Uint8Array.from(firstBytesOf(3)),
  4: Uint8Array.from(firstBytesOf(4)),
  5: Uint8Array.from(firstBytesOf(5)),
}

function firstBytesOf(stage: Stage): number[] {
  return Array.from({ length: 256 }, (_, first) => (firstByteRefusal(stage, first) === undefined ? 1 : 0))
}

/** Why a client may not begin a packet with this byte; undefined when it may. */
function firstByteRefusal(stage: Stage, first: number): Refusal | undefined {
  const version = stage === authenticating ? 5 : stage
  const type = first >> 4
  const flags = first & 0xf
  if (type === 0) return malformed('there is no packet type 0') // 5: section 2.1.2
  if (version === 0 && type !== packetType.connect) return protocolError('the first packet is not CONNECT') // 5: [MQTT-3.1.0-1]
  if (version !== 0 && type === packetType.connect) return protocolError('a second CONNECT') // 5: [MQTT-3.1.0-2]
  if (type === packetType.auth && version !== 5) return protocolError('AUTH exists only in MQTT 5')
  if (type === packetType.connack || type === packetType.suback || type === packetType.unsuback || type === packetType.pingresp) {
    return protocolError('only a server sends CONNACK, SUBACK, UNSUBACK and PINGRESP')
  }
  if (stage === authenticating && type !== packetType.auth && type !== packetType.disconnect) {
    return protocolError('until CONNACK only AUTH and DISCONNECT may come') // 5: [MQTT-3.1.2-30]
  }
  if (type === packetType.publish) {
    if ((flags & 6) === 6) return malformed('the QoS of a PUBLISH is 0, 1 or 2') // 5: [MQTT-3.3.1-4]
    if ((flags & 14) === 8) return malformed('a PUBLISH with QoS 0 has DUP') // 5: [MQTT-3.3.1-2]
    return undefined
  }
  const withQos1 = type === packetType.pubrel || type === packetType.subscribe || type === packetType.unsubscribe
  // MQTT 3.1 sends these three with QoS 1 and may repeat them with DUP; later versions fixed the bits instead.
  if (version === 3 && withQos1 && flags === 0b1010) return undefined
  if (flags !== (withQos1 ? 0b0010 : 0)) return malformed('the flags of the first byte do not fit its type') // 5: [MQTT-2.1.3-1]
  return undefined
}

/** Room for a held packet at first: most packets of devices fit, so most are copied once. */
const heldBytesFirst = 512

/** The beginning of a packet whose rest has not come. Made when a chunk ends inside a packet, let go when the packet is whole. */
export class HeldPacket {
  /** The first `length` of them are the packet's. */
  bytes: Buffer = Buffer.alloc(0)
  length = 0
  /** The size of the whole packet; 0 while its header is incomplete. */
  packetBytes: number

  constructor(packetBytes: number) {
    this.packetBytes = packetBytes
  }

  get whole(): boolean {
    return this.length === this.packetBytes // a header without its length is at least one byte long, so 0 is never reached
  }

  /** Takes what the packet lacks from the chunk, from `at` on, and returns how far it went. */
  fill(stage: Stage, chunk: Buffer, at: number): number {
    // The header comes byte by byte, because its own last byte says where it ends; it is at most five.
    while (this.packetBytes === 0) {
      if (at === chunk.length) return at
      this.#take(chunk, at, at + 1)
      at += 1
      this.packetBytes = packetBytesOf(stage, this.bytes, 0, this.length)
    }
    const end = Math.min(chunk.length, at + this.packetBytes - this.length)
    this.#take(chunk, at, end)
    return end
  }

  /** Room is made for what came, not for what was declared: someone who declares 256 KiB and sends none of it costs nothing. */
  #take(chunk: Buffer, at: number, end: number): void {
    const length = this.length + end - at
    if (length > this.bytes.length) {
      const room = Math.max(length, 2 * this.bytes.length, heldBytesFirst)
      // Not from Node's pool: a held packet may wait for long, and would keep the pool's slab alive.
      const larger = Buffer.allocUnsafeSlow(this.packetBytes === 0 ? room : Math.min(room, this.packetBytes))
      this.bytes.copy(larger, 0, 0, this.length)
      this.bytes = larger
    }
    chunk.copy(this.bytes, this.length, at, end)
    this.length = length
  }
}
