// What was heard of each topic: how many messages, how fast, the newest payload. Bounded: the topics heard last are kept.
import { type MessageFrame, textOf } from './message-line.ts'
import { visible, widthOf } from './table.ts'

const topicsMax = 10_000
/** Of a payload, in characters; with as many topics 80 MB at most. */
const payloadMax = 8192
/** Over so many seconds a rate is taken. */
const rateSeconds = 10
/** What came within it is new. */
const newMs = 1000

/** A topic as it is at one moment. */
export interface TopicLine {
  /** As a terminal may show it. */
  readonly topic: string
  readonly width: number
  readonly count: number
  readonly perSecond: number
  readonly ageMs: number
  readonly isNew: boolean
  /** Of the payload, as it came. */
  readonly text: string
  readonly isJson: boolean
  /** Characters of the payload that are not kept. */
  readonly left: number
}

interface Heard {
  readonly topic: string
  readonly width: number
  readonly rate: Rate
  count: number
  /** By the clock of the hub, as the message says it. */
  at: number
  heardMs: number
  text: string
  isJson: boolean
  left: number
}

export class Topics {
  /** The one heard last at the end. */
  readonly #heard = new Map<string, Heard>()
  /** Messages in all. */
  messages = 0
  /** Topics that had to go. */
  forgotten = 0

  get size(): number {
    return this.#heard.size
  }

  /** @param nowMs of a clock that nobody sets */
  take(frame: MessageFrame, nowMs: number): void {
    const before = this.#heard.get(frame.topic)
    const topic = before?.topic ?? visible(frame.topic)
    const width = before?.width ?? widthOf(topic)
    const rate = before?.rate ?? new Rate(nowMs)
    rate.add(nowMs)
    const text = textOf(frame)
    const left = Math.max(0, text.length - payloadMax)
    this.#heard.delete(frame.topic)
    this.#heard.set(frame.topic, {
      ...{ topic, width, rate, left, heardMs: nowMs, at: frame.at, count: (before?.count ?? 0) + 1 },
      text: left === 0 ? text : text.slice(0, payloadMax),
      isJson: frame.payload !== undefined,
    })
    this.messages++
    if (this.#heard.size > topicsMax) this.#forgetOldest()
  }

  #forgetOldest(): void {
    const [oldest] = this.#heard.keys()
    if (oldest !== undefined && this.#heard.delete(oldest)) this.forgotten++
  }

  /** @param wallMs by the clock that people look at */
  lines(nowMs: number, wallMs: number): TopicLine[] {
    return Array.from(this.#heard.values(), ({ topic, width, count, rate, at, heardMs, text, isJson, left }) => ({
      ...{ topic, width, count, text, isJson, left },
      perSecond: rate.perSecond(nowMs),
      ageMs: Math.max(0, wallMs - at),
      isNew: nowMs - heardMs < newMs,
    }))
  }
}

/** Messages in each of the last seconds. */
class Rate {
  readonly #counts = new Uint32Array(rateSeconds)
  readonly #first: number
  #last: number

  constructor(nowMs: number) {
    this.#first = this.#last = Math.floor(nowMs / 1000)
  }

  add(nowMs: number): void {
    this.#turn(nowMs)
    this.#counts[this.#last % rateSeconds]!++
  }

  /** A topic that is younger than the stretch is taken for what it did since. */
  perSecond(nowMs: number): number {
    this.#turn(nowMs)
    return this.#counts.reduce((sum, count) => sum + count, 0) / Math.min(rateSeconds, this.#last - this.#first + 1)
  }

  #turn(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    for (let next = Math.max(this.#last, second - rateSeconds) + 1; next <= second; next++) this.#counts[next % rateSeconds] = 0
    this.#last = second
  }
}
