// The readings of one body, each a message of its own: a bad one is named in the answer and does not harm the others.
//
// A body of 1 MiB may hold hundreds of thousands of readings. They are stored a window at a time, so that neither the loop nor the memory
// is one client's, and a reading costs a number and no promise.
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Route } from '../routing/route.ts'
import type { Publication, Router } from '../routing/router.ts'
import type { Principal } from '../session/principal.ts'
import type { Journal, Waiter } from '../store/store.ts'
import type { ApiParts } from './parts.ts'

/** One after the other: positions in the body. */
export interface Items {
  /** How a refusal calls them. */
  readonly word: 'line' | 'item'
  /** The first is 1. */
  readonly number: number
  readonly start: number
  readonly end: number
  /** Moves on; false after the last. Errors: a `Refusal` of the one it has moved to. */
  next(): boolean
}

export interface Stored {
  /** Messages on disk. */
  readonly stored: number
  /** In their order; at most `limits.refusalsNamed`. */
  readonly refused: readonly NamedRefusal[]
  /** How many more there were. */
  readonly refusedMore?: number
}

interface NamedRefusal {
  readonly line?: number
  readonly item?: number
  readonly code: string
  readonly detail: string
}

/** Its permissions are those of the moment: a body may take hours. */
export function readingBy(principal: Principal): Publication {
  return {
    qos: 1,
    retain: false,
    properties: undefined,
    from: undefined,
    get permissions() {
      return principal.permissions
    },
    allowance: principal.allowance,
    checked: true,
  }
}

/** Resolves once all are on disk or refused. Errors: when none was stored, the first refusal. */
export function storeAll(
  { router, store: { journal } }: ApiParts,
  route: Route,
  body: Buffer,
  items: Items,
  reading: Publication,
): Promise<Stored> {
  return new Promise((resolve, reject) => new Readings(router, journal, route, body, items, reading, resolve, reject).go())
}

class Readings implements Waiter {
  readonly #router: Router
  readonly #journal: Journal
  readonly #route: Route
  readonly #body: Buffer
  readonly #items: Items
  readonly #reading: Publication
  readonly #resolve: (stored: Stored) => void
  readonly #reject: (error: unknown) => void
  #stored = 0
  #waiting = 0
  #paused = false
  #done = false
  #refused: { readonly number: number; readonly why: Refusal }[] = []
  #refusedMore = 0

  constructor(
    router: Router,
    journal: Journal,
    route: Route,
    body: Buffer,
    items: Items,
    reading: Publication,
    resolve: (stored: Stored) => void,
    reject: (error: unknown) => void,
  ) {
    this.#router = router
    this.#journal = journal
    this.#route = route
    this.#body = body
    this.#items = items
    this.#reading = reading
    this.#resolve = resolve
    this.#reject = reject
  }

  go(): void {
    this.#paused = false
    try {
      while (this.#waiting < limits.unansweredLines) {
        if (this.#journal.full) {
          this.#paused = true
          this.#journal.whenRoom(() => this.go())
          return
        }
        if (!this.#takeNext()) {
          this.#done = true
          this.#mindEnd()
          return
        }
      }
    } catch (error) {
      this.#done = true
      this.#reject(error)
    }
  }

  #takeNext(): boolean {
    const items = this.#items
    try {
      if (!items.next()) return false
      const seq = this.#router.publish(this.#route, this.#body, items.start, items.end, this.#reading)
      this.#waiting++
      this.#journal.after(this, items.number, seq)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#refuse(items.number, error)
    }
    return true
  }

  stored(): void {
    this.#stored++
    this.#settled()
  }

  failed(number: number, why: Refusal): void {
    this.#refuse(number, why)
    this.#settled()
  }

  #refuse(number: number, why: Refusal): void {
    if (this.#refused.length < limits.refusalsNamed) this.#refused.push({ number, why })
    else this.#refusedMore++
  }

  #settled(): void {
    this.#waiting--
    if (this.#done) this.#mindEnd()
    else if (!this.#paused && this.#waiting <= limits.unansweredLines / 2) {
      this.#paused = true
      setImmediate(() => this.go()) // others have their turn
    }
  }

  #mindEnd(): void {
    if (this.#waiting > 0) return
    const refused = this.#refused.sort((a, b) => a.number - b.number)
    const [first] = refused
    if (this.#stored === 0 && first !== undefined) {
      this.#reject(first.why)
      return
    }
    const named = refused.map(({ number, why }) => ({ [this.#items.word]: number, code: why.code, detail: why.message }))
    const more = this.#refusedMore === 0 ? {} : { refusedMore: this.#refusedMore }
    this.#resolve({ stored: this.#stored, refused: named, ...more })
  }
}

/** The lines of a body; empty ones are passed over and count. Errors of `next`: `line-too-long`. */
export class LineItems implements Items {
  readonly word = 'line'
  readonly #body: Buffer
  #next = 0
  number = 0
  start = 0
  end = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  next(): boolean {
    const body = this.#body
    do {
      if (this.#next >= body.length) return false
      const newline = body.indexOf(10, this.#next)
      this.start = this.#next
      this.end = newline === -1 ? body.length : newline
      this.#next = this.end + 1
      this.number++
    } while (isBlank(body, this.start, this.end))
    if (this.end - this.start > limits.lineBytes) throw new Refusal('line-too-long', { line: this.number, limit: limits.lineBytes })
    return true
  }
}

/** The elements of an array, as they stand in the body: what they hold is read by the store. Errors of `next`: `telemetry-invalid`. */
export class ArrayItems implements Items {
  readonly word = 'item'
  readonly #body: Buffer
  readonly #bounds: readonly number[]
  #next = 0
  number = 0
  start = 0
  end = 0

  /** `bounds` as `elementsOf` gives them. */
  constructor(body: Buffer, bounds: readonly number[]) {
    this.#body = body
    this.#bounds = bounds
  }

  next(): boolean {
    if (this.#next >= this.#bounds.length) return false
    this.start = this.#bounds[this.#next] as number
    this.end = this.#bounds[this.#next + 1] as number
    this.#next += 2
    this.number++
    // The store would take an array of readings for one message.
    if (this.#body[this.start] === openBracket) {
      throw new Refusal('telemetry-invalid', { detail: 'a reading is an object of metrics, not an array' })
    }
    return true
  }
}

const [quote, backslash, comma, openBracket, closeBracket, openBrace, closeBrace] = [0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d] as const

/**
 * Start and end of each element, one behind the other, without reading what it says; undefined when the body is no whole array. Measured
 * on 1 MiB of readings: 4 ms, where JSON.parse and JSON.stringify of each element take 13.
 */
export function elementsOf(body: Buffer): number[] | undefined {
  let at = afterBlanks(body, 0)
  if (body[at] !== openBracket) return undefined
  at = afterBlanks(body, at + 1)
  const bounds: number[] = []
  if (body[at] === closeBracket) return afterBlanks(body, at + 1) === body.length ? bounds : undefined
  let start = at
  for (let levels = 1; at < body.length; at++) {
    const byte = body[at] as number
    if (byte === quote) {
      at = stringEnd(body, at + 1)
    } else if (byte === openBracket || byte === openBrace) levels++
    else if (byte === closeBrace) levels--
    else if (byte === closeBracket) {
      levels--
      if (levels !== 0) continue
      bounds.push(start, at)
      return afterBlanks(body, at + 1) === body.length ? bounds : undefined
    } else if (byte === comma && levels === 1) {
      bounds.push(start, at)
      start = afterBlanks(body, at + 1)
    }
  }
  return undefined
}

/** The position of the quote that ends the string; the end of the body without one. */
function stringEnd(body: Buffer, start: number): number {
  for (let at = start; at < body.length; at++) {
    const byte = body[at]
    if (byte === quote) return at
    if (byte === backslash) at++
  }
  return body.length
}

function afterBlanks(body: Buffer, start: number): number {
  let at = start
  while (at < body.length && isBlankByte(body[at] as number)) at++
  return at
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!isBlankByte(bytes[at] as number)) return false
  return true
}

function isBlankByte(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
