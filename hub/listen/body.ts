// The body of a request, whole: bounded in bytes and in time, whatever its content type says.
import type { Readable } from 'node:stream'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Timed, Wheel } from '../wheel.ts'

/**
 * Errors: `body-too-large`, `body-too-slow`, and `request-invalid` when the peer breaks off.
 * `announced` is the Content-Length, NaN when there is none; a body that is announced too large is not read at all.
 */
export function readBody(stream: Readable, announced: number, bytesMax: number, wheel: Wheel): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (announced > bytesMax) reject(tooLarge(bytesMax))
    else new Body(stream, bytesMax, wheel, resolve, reject).read()
  })
}

class Body implements Timed {
  readonly #stream: Readable
  readonly #bytesMax: number
  readonly #wheel: Wheel
  readonly #resolve: (body: Buffer) => void
  readonly #reject: (why: Refusal) => void
  readonly #chunks: Buffer[] = []
  #bytes = 0
  dueTick = 0

  constructor(stream: Readable, bytesMax: number, wheel: Wheel, resolve: (body: Buffer) => void, reject: (why: Refusal) => void) {
    this.#stream = stream
    this.#bytesMax = bytesMax
    this.#wheel = wheel
    this.#resolve = resolve
    this.#reject = reject
  }

  read(): void {
    this.#wheel.arm(this, limits.bodySeconds)
    this.#stream.on('data', this.#onData)
    this.#stream.on('end', this.#onEnd)
    this.#stream.on('error', this.#onBreak)
    this.#stream.on('close', this.#onBreak)
  }

  onDue(): void {
    this.#settle()
    this.#reject(new Refusal('body-too-slow', { seconds: limits.bodySeconds }))
  }

  readonly #onData = (chunk: Buffer) => {
    this.#bytes += chunk.length
    if (this.#bytes <= this.#bytesMax) {
      this.#chunks.push(chunk)
      return
    }
    this.#settle()
    this.#reject(tooLarge(this.#bytesMax))
  }

  readonly #onEnd = () => {
    this.#settle()
    const [first, ...others] = this.#chunks
    this.#resolve(first !== undefined && others.length === 0 ? first : Buffer.concat(this.#chunks, this.#bytes))
  }

  readonly #onBreak = () => {
    this.#settle()
    this.#reject(new Refusal('request-invalid', { detail: 'the body broke off' }))
  }

  #settle(): void {
    this.#wheel.disarm(this)
    this.#stream.off('data', this.#onData)
    this.#stream.off('end', this.#onEnd)
    this.#stream.off('close', this.#onBreak)
    // The listener of `error` stays: an error that nobody hears ends the process.
  }
}

function tooLarge(limit: number): Refusal {
  return new Refusal('body-too-large', { limit, name: 'bodyBytes' })
}
