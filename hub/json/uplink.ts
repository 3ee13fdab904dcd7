// One NDJSON stream that goes up, and the answers that come down beside it: `POST /v1/stream` and `POST /v1/devices/{id}/stream`.
//
// A line is answered when it is on disk, in the order of the lines, so that the count of them tells the client from where to send again.
// Reading does not wait for that; it pauses past a window of unanswered lines, while the journal is full, and while the client does not read.
import type { OutgoingHttpHeaders } from 'node:http'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Principal } from '../session/principal.ts'
import type { Waiter } from '../store/store.ts'
import type { Touched } from '../turn.ts'
import type { Timed } from '../wheel.ts'
import { isBlank, Lines } from './lines.ts'
import type { RawRequest, RawResponse, Uplinks } from './uplinks.ts'

/**
 * Takes one line: `bytes` from `start` to `end`. Returns what the journal is asked of it: the number of a checked frame, or 0; `later` when
 * `uplink.expectAnswer` was called. Errors: a `Refusal`, and then nothing has happened.
 */
export type TakeLine = (bytes: Buffer, start: number, end: number, uplink: Uplink) => number | 'later'

type State =
  /** Lines are taken. */
  | { readonly is: 'open' }
  /** No more are taken; those that were are still to be settled. Without `why` the client has ended its body. */
  | { readonly is: 'ending'; readonly why: Refusal | undefined; readonly retryAfterSeconds: number | undefined }
  /** The last line is written. */
  | { readonly is: 'said' }
  | { readonly is: 'gone' }

/** Why nothing is read from the client for now. */
const hold = { window: 1, journal: 2, answers: 4, frame: 8 } as const

/** Proxies close what is silent for a minute. */
const heartbeatSeconds = 20
/** How long a client has to read why its stream was ended, and to end its body, before the connection is cut. */
const farewellSeconds = 5

const open: State = { is: 'open' }

export class Uplink implements Waiter, Timed, Touched {
  readonly #uplinks: Uplinks
  readonly #request: RawRequest
  readonly #response: RawResponse
  readonly #take: TakeLine
  readonly principal: Principal
  readonly #lines = new Lines()
  #state: State = open
  #holds = 0
  #working = false
  #bodyEnded = false
  #requestClosed = false
  #responseClosed = false
  /** Lines that were taken or refused and are not settled. */
  #inFlight = 0
  // Bytes of these lines, in two parts, so that a line's bytes need not be remembered: all up to the line `#mark`, and all after it.
  #olderBytes = 0
  #newerBytes = 0
  #mark = 0
  /** Number of the last line that was taken or refused; of the last one that is settled. */
  #line = 0
  #settledLine = 0
  #stored = 0
  #storedSaid = 0
  #refused = 0
  /** By line: refusals that wait for their turn. */
  #refusals: Map<number, Refusal> | undefined = undefined
  /** Lines about refusals, for the end of the turn. */
  #news = ''
  /** The second in which a line last came to its end; in which something was last said. */
  #heardTick: number
  #saidTick: number
  dueTick = 0
  touched = false

  constructor(
    uplinks: Uplinks,
    request: RawRequest,
    response: RawResponse,
    headers: OutgoingHttpHeaders,
    principal: Principal,
    take: TakeLine,
  ) {
    this.#uplinks = uplinks
    this.#request = request
    this.#response = response
    this.#take = take
    this.principal = principal
    this.#heardTick = this.#wheel.tick
    this.#saidTick = this.#heardTick
    request.on('data', (chunk: Buffer) => this.#onChunk(chunk))
    request.on('end', () => this.#onEnd())
    request.on('close', () => {
      this.#requestClosed = true
      this.#onClose()
    })
    request.on('error', ignore) // it closes, and nothing is left to be said
    response.on('drain', () => this.#release(hold.answers))
    response.on('close', () => {
      this.#responseClosed = true
      this.#onClose()
    })
    response.on('error', ignore)
    response.writeHead(200, { ...headers, 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    response.flushHeaders?.() // the client sees at once that it is let in
    this.#wheel.arm(this, heartbeatSeconds)
  }

  get #wheel() {
    return this.#uplinks.parts.wheel
  }

  // ── from the client ──

  #onChunk(chunk: Buffer): void {
    if (this.#state.is !== 'open') return // read and dropped, so that the client comes to read why
    this.#lines.add(chunk)
    this.#work()
  }

  #onEnd(): void {
    this.#bodyEnded = true
    this.#lines.finish()
    this.#work()
    this.#onClose()
  }

  /** Takes lines until none is left or something holds them up. */
  #work(): void {
    if (this.#working) return // an answer came while its line was being taken
    this.#working = true
    try {
      while (this.#state.is === 'open' && this.#holds === 0) {
        const found = this.#lines.next()
        if (found === 'none') break
        this.#heardTick = this.#wheel.tick
        this.#takeLine(found)
      }
    } catch (error) {
      this.#onBug(error)
    }
    this.#working = false
    if (this.#state.is !== 'open') return
    if (this.#holds !== 0) this.#request.pause()
    else if (this.#bodyEnded) this.#end(undefined)
    else if (this.#request.isPaused()) this.#request.resume()
  }

  #takeLine(found: 'line' | 'too-long'): void {
    const { bytes, start, end, number } = this.#lines
    if (found === 'line' && isBlank(bytes, start, end)) return
    this.#line = number
    let seq: number | 'later'
    try {
      if (found === 'too-long') throw new Refusal('line-too-long', { line: number, limit: limits.lineBytes })
      seq = this.#take(bytes, start, end, this)
      this.#newerBytes += end - start
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#holds &= ~hold.frame
      this.#refuse(error)
      return
    }
    if (seq !== 'later') this.#await(seq)
  }

  /** What becomes of this line is known later; lines behind it wait. */
  expectAnswer(): void {
    this.#hold(hold.frame)
  }

  answered(outcome: Refusal | undefined): void {
    if ((this.#holds & hold.frame) === 0) return
    if (outcome === undefined) this.#await(0)
    else this.#refuse(outcome)
    this.#release(hold.frame)
  }

  /** In its turn: what was taken before is settled first. */
  #refuse(why: Refusal): void {
    this.#refusals ??= new Map()
    this.#refusals.set(this.#line, why)
    this.#await(0)
    // It may pass later, and then so must what comes behind it.
    if (why.row.retry) this.#end(why)
  }

  #await(checkedSeq: number): void {
    const { journal } = this.#uplinks.parts
    this.#inFlight++
    journal.after(this, this.#line, checkedSeq)
    if (this.#inFlight >= limits.unansweredLines || this.#olderBytes + this.#newerBytes >= limits.unansweredLineBytes)
      this.#hold(hold.window)
    if (journal.full && (this.#holds & hold.journal) === 0) {
      this.#hold(hold.journal)
      journal.whenRoom(() => this.#release(hold.journal))
    }
  }

  // ── from the journal ──

  stored(line: number): void {
    const why = this.#refusals?.get(line)
    if (why !== undefined) this.#refusals?.delete(line)
    this.#settle(line, why)
  }

  failed(line: number, why: Refusal): void {
    this.#settle(line, why)
  }

  #settle(line: number, why: Refusal | undefined): void {
    if (this.#state.is === 'said' || this.#state.is === 'gone') return
    this.#inFlight--
    if (why?.row.retry === true) {
      // Not settled, and neither is what comes behind it, whatever becomes of that.
      this.#uplinks.parts.metrics.refused(why.code, this.principal.owner)
      this.#become({ is: 'ending', why, retryAfterSeconds: undefined })
      this.#sayLast()
      return
    }
    this.#settledLine = line
    if (why === undefined) this.#stored++
    else this.#sayRefused(line, why)
    if (line >= this.#mark) {
      this.#olderBytes = this.#newerBytes
      this.#newerBytes = 0
      this.#mark = this.#line
    }
    this.#uplinks.turn.touch(this)
  }

  #sayRefused(line: number, { code, message, row }: Refusal): void {
    this.#refused++
    this.#uplinks.parts.metrics.refused(code, this.principal.owner)
    this.#news += `${JSON.stringify({ line, code, detail: message, retry: row.retry })}\n`
  }

  // ── to the client ──

  /** The end of the turn: says what was settled in it, and reads on. */
  flush(): void {
    if (this.#state.is === 'said' || this.#state.is === 'gone') return
    if (this.#state.is === 'ending' && this.#inFlight === 0) {
      this.#sayLast()
      return
    }
    if ((this.#holds & hold.answers) === 0) this.#sayNews()
    const isHalfAnswered =
      this.#inFlight <= limits.unansweredLines / 2 && this.#olderBytes + this.#newerBytes <= limits.unansweredLineBytes / 2
    if (isHalfAnswered || this.#inFlight === 0) this.#release(hold.window)
  }

  #sayNews(): void {
    let text = this.#news
    this.#news = ''
    if (this.#stored !== this.#storedSaid) text += `{"stored":${this.#stored}}\n`
    this.#storedSaid = this.#stored
    if (text === '') return
    this.#response.write(text)
    this.#saidTick = this.#wheel.tick
    if (this.#response.writableLength > limits.connectionAnswerBytes) this.#hold(hold.answers)
  }

  #sayLast(): void {
    const { why, retryAfterSeconds } = this.#state as Extract<State, { is: 'ending' }>
    this.#become({ is: 'said' })
    const counts = { stored: this.#stored, refused: this.#refused }
    const last =
      why === undefined
        ? { ...counts, done: true }
        : {
            ...counts,
            next: this.#settledLine + 1, // from here on the client sends again
            code: why.code,
            detail: why.message,
            retry: why.row.retry,
            ...(retryAfterSeconds === undefined ? {} : { retryAfter: retryAfterSeconds }),
          }
    this.#response.end(`${this.#news}${JSON.stringify(last)}\n`)
    this.#news = ''
    this.#refusals = undefined
    this.#wheel.arm(this, why === undefined ? limits.streamSilenceSeconds : farewellSeconds)
    this.#request.resume() // what still comes is dropped
    this.#onClose()
  }

  // ── its life ──

  /** The hub stops, or will not have it any more: the last line says why. */
  close(why: Refusal, retryAfterSeconds: number | undefined): void {
    this.#end(why, retryAfterSeconds)
  }

  destroy(): void {
    this.#response.destroy()
    this.#request.destroy() // over HTTP/1.1 the answer has let go of the socket by now, when it is complete
    this.#leave()
  }

  /** Once a second at most. */
  onDue(): void {
    if (this.#state.is === 'said') {
      this.destroy()
      return
    }
    const { tick } = this.#wheel
    const silentSeconds = tick - this.#heardTick
    if ((this.#holds & ~hold.answers) !== 0)
      this.#heardTick = tick // it is not the client who keeps still
    else if (silentSeconds >= limits.streamSilenceSeconds) this.#end(new Refusal('stream-silent', { seconds: limits.streamSilenceSeconds }))
    if (tick - this.#saidTick >= heartbeatSeconds && this.#response.writableLength === 0) {
      this.#response.write('\n')
      this.#saidTick = tick
    }
    const leftSeconds = limits.streamSilenceSeconds - (tick - this.#heardTick)
    this.#wheel.arm(this, Math.max(1, Math.min(heartbeatSeconds, leftSeconds)))
  }

  #end(why: Refusal | undefined, retryAfterSeconds?: number): void {
    if (this.#state.is !== 'open') return
    this.#become({ is: 'ending', why, retryAfterSeconds })
    if (this.#inFlight === 0) this.#uplinks.turn.touch(this)
  }

  #onBug(error: unknown): void {
    this.#uplinks.parts.log.error({ err: error }, 'a bug ended a stream')
    this.#end(new Refusal('internal-error', { detail: 'a bug that ended a stream' }))
  }

  /**
   * Before the last line is written this is a cut: what was taken is stored all the same, and the client sends again what it was not told of.
   * After it, all is over once the answer has gone out and the body has ended.
   */
  #onClose(): void {
    const isBodyOver = this.#bodyEnded || this.#requestClosed
    if (
      this.#state.is === 'said' ? this.#responseClosed && isBodyOver : this.#responseClosed || (this.#requestClosed && !this.#bodyEnded)
    ) {
      this.#leave()
    }
  }

  #leave(): void {
    if (this.#state.is === 'gone') return
    this.#become({ is: 'gone' })
    this.#wheel.disarm(this)
    this.#uplinks.forget(this)
  }

  #become(state: State): void {
    this.#state = state
  }

  #hold(why: number): void {
    this.#holds |= why
  }

  #release(why: number): void {
    if ((this.#holds & why) === 0) return
    this.#holds &= ~why
    if (why === hold.answers) this.#uplinks.turn.touch(this)
    this.#work()
  }
}

function ignore(): void {}
