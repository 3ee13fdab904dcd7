// WebSocket frames of the load generator (RFC 6455 section 5.2). Its own are masked with zeros: as valid as any key, and the payload needs
// no second copy here. The server does its work all the same.
import type { BytesSink } from './connection.ts'

const opcodes = { text: 0x81, binary: 0x82, close: 0x88, ping: 0x89, pong: 0x8a } as const

/** What a client asks for, and the subprotocol it names. */
export function upgradeRequest(path: string, subprotocol?: string): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: bW9vcmluZyBiZW5jaCEhIQ==',
    ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

export function isUpgraded(bytes: Buffer): boolean | undefined {
  return bytes.includes('\r\n\r\n') ? bytes.toString('latin1', 0, 12) === 'HTTP/1.1 101' : undefined
}

export function binaryHeader(length: number): Buffer {
  return header(opcodes.binary, length)
}

export function textFrame(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([header(opcodes.text, bytes.length), bytes])
}

function header(first: number, length: number): Buffer {
  if (length < 126) return Buffer.of(first, 0x80 | length, 0, 0, 0, 0)
  return Buffer.of(first, 0x80 | 126, length >> 8, length & 0xff, 0, 0, 0, 0)
}

/** Takes the frames of a server off: binary, unmasked, split anywhere. Their content is a stream, so it is passed on as it comes. */
export class Deframer {
  #left = 0
  readonly #header: number[] = []

  push(bytes: Buffer, count: number, sink: BytesSink): void {
    for (let at = 0; at < count; ) {
      if (this.#left > 0) {
        const to = Math.min(count, at + this.#left)
        this.#left -= to - at
        sink(bytes, at, to)
        at = to
        continue
      }
      this.#header.push(bytes[at++]!)
      const [, length = -1, high = -1, low = -1] = this.#header
      if (length > 126) throw new Error('A frame that is masked or longer than 64 KiB.')
      if (length === -1 || (length === 126 && low === -1)) continue
      this.#left = length === 126 ? high * 256 + low : length
      this.#header.length = 0
    }
  }
}

/** The same for text, where a frame is a message and is passed on whole. */
export class TextFrames {
  #held: Buffer | undefined
  readonly #onText: BytesSink
  readonly #onTrouble: (sentence: string) => void

  constructor(onText: BytesSink, onTrouble: (sentence: string) => void) {
    this.#onText = onText
    this.#onTrouble = onTrouble
  }

  push(bytes: Buffer, from: number, to: number): void {
    if (this.#held !== undefined) {
      bytes = Buffer.concat([this.#held, bytes.subarray(from, to)])
      from = 0
      to = bytes.length
      this.#held = undefined
    }
    let at = from
    while (to - at >= 2) {
      const short = bytes[at + 1]!
      if (short > 126) {
        this.#onTrouble('a frame came that is masked or longer than 64 KiB')
        return
      }
      const textAt = at + (short === 126 ? 4 : 2)
      if (textAt > to) break
      const end = textAt + (short === 126 ? (bytes[at + 2]! << 8) | bytes[at + 3]! : short)
      if (end > to) break
      const first = bytes[at]!
      if (first === opcodes.text) this.#onText(bytes, textAt, end)
      else if (first === opcodes.close) this.#onTrouble(`the server closed: ${bytes.toString('utf8', textAt + 2, end)}`)
      // A ping is passed over: no run lasts as long as the keep-alive that the generator has asked for.
      else if (first !== opcodes.ping && first !== opcodes.pong) this.#onTrouble(`a frame came that begins with ${first}`)
      at = end
    }
    if (at < to) this.#held = Buffer.from(bytes.subarray(at, to))
  }
}
