// The messages of a fan-out, by wire: how the one is said, and how its copies are found in what a subscriber gets.
import type { BytesSink } from './connection.ts'
import { TextFrames } from './frames.ts'
import { Ring } from './ring.ts'
import { readSeq, TextRing } from './text-ring.ts'

export interface Copies {
  /** The message for this slot of the window. */
  write(slot: number, seq: number): Buffer
  /** What one subscriber gets: messages in the order they were published, split anywhere. */
  reader(found: (seq: number) => void, broken: (sentence: string) => void): BytesSink
}

/** MQTT at QoS 0: whole packets of known length. */
export class PacketCopies implements Copies {
  readonly #ring: Ring

  constructor(topic: string, slots: number) {
    this.#ring = new Ring(topic, 0, slots)
  }

  write(slot: number, seq: number): Buffer {
    const { stride, bytes } = this.#ring
    this.#ring.write(slot * stride, seq, 0)
    this.#ring.writeSeq(slot * stride, seq)
    return bytes.subarray(slot * stride, (slot + 1) * stride)
  }

  reader(found: (seq: number) => void, broken: (sentence: string) => void): BytesSink {
    const ring = this.#ring
    const { stride } = ring
    let held: Buffer | undefined
    return (bytes, from, to) => {
      if (held !== undefined) {
        bytes = Buffer.concat([held, bytes.subarray(from, to)])
        from = 0
        to = bytes.length
        held = undefined
      }
      let at = from
      for (; at + stride <= to; at += stride) {
        if (bytes[at] !== 0x30 || bytes[at + 1] !== ring.bytes[1]) {
          broken('a subscriber got something else than its PUBLISH')
          return
        }
        found(ring.readSeq(bytes, at))
      }
      if (at < to) held = Buffer.from(bytes.subarray(at, to))
    }
  }
}

/** JSON over WebSocket: a frame is a message. */
export class TextCopies implements Copies {
  readonly #ring: TextRing

  constructor(topic: string, slots: number) {
    this.#ring = new TextRing(topic, slots)
  }

  write(slot: number, seq: number): Buffer {
    return this.#ring.write(slot, seq)
  }

  reader(found: (seq: number) => void, broken: (sentence: string) => void): BytesSink {
    const onText: BytesSink = (bytes, from, to) => {
      const seq = readSeq(bytes, from, to)
      if (seq === -1) broken(`a subscriber got something else than its message: ${bytes.toString('utf8', from, Math.min(to, from + 200))}`)
      else found(seq)
    }
    const frames = new TextFrames(onText, broken)
    return (bytes, from, to) => frames.push(bytes, from, to)
  }
}
