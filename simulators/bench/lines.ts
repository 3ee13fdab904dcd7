// The answers that come beside a stream, and lines to send: pieces of HTTP/1.1 chunks (RFC 9112 section 7.1).
import type { BytesSink } from './connection.ts'

/** Takes the chunks of a body off: split anywhere. What is in them is passed on as it comes. */
export class ChunkReader {
  #left = 0
  #size = ''
  readonly #sink: BytesSink

  constructor(sink: BytesSink) {
    this.#sink = sink
  }

  push(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at < to; ) {
      if (this.#left > 0) {
        const end = Math.min(to, at + this.#left)
        this.#left -= end - at
        this.#sink(bytes, at, end)
        at = end
        continue
      }
      const byte = bytes[at++]!
      if (byte !== 0x0a) this.#size += String.fromCharCode(byte)
      else if (this.#size === '\r')
        this.#size = '' // what ends the chunk before
      else {
        this.#left = Number.parseInt(this.#size, 16)
        this.#size = ''
      }
    }
  }
}

/** Whole lines of text that comes in pieces. */
export class LineReader {
  #held = ''
  readonly #onLine: (line: string) => void

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(bytes: Buffer, from: number, to: number): void {
    const lines = (this.#held + bytes.toString('latin1', from, to)).split('\n')
    this.#held = lines.pop() ?? ''
    for (const line of lines) this.#onLine(line)
  }
}

/** The end of a body in chunks. */
export const lastChunk = Buffer.from('0\r\n\r\n')

const values = '"temperature":21.43,"humidity":45.12,"pressure":1013.25,"vibration":0.734'
const metrics = ['temperature', 'humidity', 'pressure', 'vibration'] as const
const ones = Uint8Array.from({ length: 100 }, (_, value) => 48 + (value % 10))
const tens = Uint8Array.from({ length: 100 }, (_, value) => 48 + Math.floor(value / 10))

/** Chunks of lines, encoded once; two digits of each value are written over in place. */
export class LineRing {
  readonly #bytes: Buffer
  readonly #lines: number
  readonly #lineBytes: number
  readonly #headBytes: number
  readonly #stride: number
  readonly #digitsAt: readonly number[]

  /** `lineOf` puts a reading into a line. A chunk is written again only when all that was in it is answered. */
  constructor(lineOf: (reading: string) => string, linesPerChunk: number, chunks: number) {
    const line = `${lineOf(`{${values}}`)}\n`
    const head = `${(line.length * linesPerChunk).toString(16)}\r\n`
    const chunk = Buffer.from(`${head}${line.repeat(linesPerChunk)}\r\n`)
    this.#lines = linesPerChunk
    this.#lineBytes = line.length
    this.#headBytes = head.length
    this.#stride = chunk.length
    // The two digits in front of the comma or brace that ends a value: none of them leads it.
    this.#digitsAt = metrics.map((metric) => {
      const at = line.indexOf(`"${metric}"`)
      return at + line.slice(at).search(/[,}]/) - 2
    })
    this.#bytes = Buffer.concat(Array.from({ length: chunks }, () => chunk))
  }

  write(slot: number, firstLine: number): Buffer {
    const bytes = this.#bytes
    const chunkAt = slot * this.#stride
    let lineAt = chunkAt + this.#headBytes
    for (let line = 0; line < this.#lines; line++, lineAt += this.#lineBytes) {
      let value = (firstLine + line) % 100
      for (const digitsAt of this.#digitsAt) {
        bytes[lineAt + digitsAt] = tens[value]!
        bytes[lineAt + digitsAt + 1] = ones[value]!
        value = value >= 63 ? value - 63 : value + 37 // each metric at another place of its cycle
      }
    }
    return bytes.subarray(chunkAt, chunkAt + this.#stride)
  }
}
