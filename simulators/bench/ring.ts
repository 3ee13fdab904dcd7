// PUBLISH packets of one connection, encoded once. What changes from message to message (packet identifier, digits of the values) is
// written over in place, so that the generator costs less than what it measures.

/** A payload of exactly 125 bytes: six metrics, two digits of five of them change. */
const payload =
  '{"temperature":21.43,"humidity":45.12,"pressure":1013.25,"vibration":0.734,"supplyVoltage":229.61,"pulsesSinceStart":1000000}'

const ones = Uint8Array.from({ length: 100 }, (_, value) => 48 + (value % 10))
const tens = Uint8Array.from({ length: 100 }, (_, value) => 48 + Math.floor(value / 10))
const metrics = ['temperature', 'humidity', 'pressure', 'vibration', 'supplyVoltage'] as const

/** `slots` packets side by side. A slot is written again only when the server has confirmed what was in it. */
export class Ring {
  readonly bytes: Buffer
  /** Bytes of one packet. */
  readonly stride: number
  readonly #packetIdAt: number
  readonly #digitsAt: readonly number[]
  readonly #seqAt: number

  /** `trailer` follows every `group` packets: the PINGREQ that confirms them at QoS 0. */
  constructor(topic: string, qos: 0 | 1, slots: number, group = slots, trailer: Buffer = Buffer.alloc(0)) {
    const packet = packetOf(topic, qos)
    const payloadAt = packet.length - payload.length
    this.stride = packet.length
    this.#packetIdAt = payloadAt - 2
    this.#digitsAt = metrics.map((metric) => payloadAt + lastDigitsOf(metric))
    this.#seqAt = payloadAt + payload.lastIndexOf(':') + 2 // behind the leading 1, which keeps it a number of JSON
    const groupOf = Buffer.concat([...Array.from({ length: group }, () => packet), trailer])
    this.bytes = Buffer.concat(Array.from({ length: slots / group }, () => groupOf))
  }

  /** New values, and the packet identifier of a QoS 1 message. `at`: where the packet begins. */
  write(at: number, message: number, packetId: number): void {
    const { bytes } = this
    if (packetId > 0) {
      bytes[at + this.#packetIdAt] = packetId >>> 8
      bytes[at + this.#packetIdAt + 1] = packetId & 0xff
    }
    let value = message % 100
    for (const digitsAt of this.#digitsAt) {
      bytes[at + digitsAt] = tens[value]!
      bytes[at + digitsAt + 1] = ones[value]!
      value = value >= 63 ? value - 63 : value + 37 // each metric at another place of its cycle
    }
  }

  /** A number that subscribers can check, up to six digits; it starts over after them. */
  writeSeq(at: number, seq: number): void {
    for (let digit = 5; digit >= 0; digit--) {
      this.bytes[at + this.#seqAt + digit] = 48 + (seq % 10)
      seq = (seq / 10) | 0
    }
  }

  /** Reads it from such a packet, as it stands in `bytes` at `at`. */
  readSeq(bytes: Buffer, at: number): number {
    let seq = 0
    for (let digit = 0; digit < 6; digit++) seq = seq * 10 + bytes[at + this.#seqAt + digit]! - 48
    return seq
  }
}

function packetOf(topic: string, qos: 0 | 1): Buffer {
  const remaining = 2 + Buffer.byteLength(topic) + (qos === 1 ? 2 : 0) + payload.length
  const length = remaining < 128 ? [remaining] : [(remaining & 0x7f) | 0x80, remaining >>> 7]
  const topicLength = Buffer.byteLength(topic)
  const head = Buffer.of(0x30 | (qos << 1), ...length, topicLength >> 8, topicLength & 0xff)
  return Buffer.concat([head, Buffer.from(topic), Buffer.alloc(qos === 1 ? 2 : 0), Buffer.from(payload)])
}

/** The two digits before the comma that ends the value: no digit in front of the decimal point changes, so no zero can lead. */
function lastDigitsOf(metric: string): number {
  return payload.indexOf(',', payload.indexOf(`"${metric}"`)) - 2
}
