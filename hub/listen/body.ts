// The body of a request, read whole: bounded in bytes, and in the time it may take.
//
// Node's own deadline (`server.requestTimeout`) holds for a whole connection's requests and would end streams that stay open for days, and
// HTTP/2 has none. So the bodies that are read whole have theirs on the wheel.
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Timed, Wheel } from '../wheel.ts'

type Done = (error: Error | null, body?: Buffer) => void

/** A content type parser of fastify for bodies of any type. Errors: `body-too-large`, `body-timeout`. */
export function bodyParser(wheel: Wheel): (request: FastifyRequest, payload: IncomingMessage, done: Done) => void {
  return (request, payload, done) => {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared > limits.bodyBytes) done(tooLarge())
    else new Body(wheel, payload, done)
  }
}

class Body implements Timed {
  readonly #wheel: Wheel
  readonly #payload: IncomingMessage
  #done: Done | undefined
  #pieces: Buffer[] = []
  #bytes = 0
  dueTick = 0

  constructor(wheel: Wheel, payload: IncomingMessage, done: Done) {
    this.#wheel = wheel
    this.#payload = payload
    this.#done = done
    payload.on('data', (piece: Buffer) => this.#onPiece(piece))
    payload.on('end', () => this.#end(null))
    payload.on('error', (error: Error) => this.#end(error))
    // Cut off by a client that is gone: there is nobody to answer.
    payload.on('close', () => this.#forget())
    wheel.arm(this, limits.bodySeconds)
  }

  onDue(): void {
    this.#end(new Refusal('body-timeout', { seconds: limits.bodySeconds }))
  }

  #onPiece(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > limits.bodyBytes) this.#end(tooLarge())
    else if (this.#done !== undefined) this.#pieces.push(piece)
  }

  #end(error: Error | null): void {
    const done = this.#done
    const [only, ...more] = this.#pieces
    this.#forget()
    if (done === undefined) return
    if (error !== null) {
      this.#payload.pause()
      done(error)
    } else done(null, only === undefined || more.length > 0 ? Buffer.concat(only === undefined ? [] : [only, ...more]) : only)
  }

  #forget(): void {
    this.#wheel.disarm(this)
    this.#done = undefined
    this.#pieces = []
  }
}

function tooLarge(): Refusal {
  return new Refusal('body-too-large', { limit: limits.bodyBytes, name: 'bodyBytes' })
}
