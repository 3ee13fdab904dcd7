// Messages of one connection as text frames of a WebSocket, encoded once; the number of each is written over in place.
import { textFrame } from './frames.ts'

const payload = '{"temperature":21.43,"humidity":45.12,"pressure":1013.25,"vibration":0.734,"seq":1000000}'
/** The 1 in front of the digits keeps a number of JSON whatever they are. */
const mark = Buffer.from('"seq":1')
const digits = 6

/** `slots` frames side by side. A slot is written again only when the message that was in it has come back. */
export class TextRing {
  readonly bytes: Buffer
  /** Bytes of one frame. */
  readonly stride: number
  readonly #seqAt: number

  constructor(topic: string, slots: number) {
    const frame = textFrame(`{"is":"publish","topic":"${topic}","qos":0,"payload":${payload}}`)
    this.stride = frame.length
    this.#seqAt = frame.indexOf(mark) + mark.length
    this.bytes = Buffer.concat(Array.from({ length: slots }, () => frame))
  }

  /** The frame of this slot, with its number in it. */
  write(slot: number, seq: number): Buffer {
    const at = slot * this.stride
    for (let digit = digits - 1, left = seq; digit >= 0; digit--) {
      this.bytes[at + this.#seqAt + digit] = 48 + (left % 10)
      left = (left / 10) | 0
    }
    return this.bytes.subarray(at, at + this.stride)
  }
}

/** The number in a message that was made here, whatever stands around it; -1 when there is none. */
export function readSeq(bytes: Buffer, from: number, to: number): number {
  const at = bytes.indexOf(mark, from)
  const first = at + mark.length
  if (at === -1 || first + digits > to) return -1
  let seq = 0
  for (let digit = 0; digit < digits; digit++) seq = seq * 10 + bytes[first + digit]! - 48
  return seq
}
