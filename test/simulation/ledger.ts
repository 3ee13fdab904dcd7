// What was promised and what came: written down while the world turns, judged at the end.
import { sharedFilterOf } from '../../hub/routing/shared-group.ts'

export interface Sent {
  readonly text: string
  readonly publisher: string
  readonly topic: string
  readonly qos: number
  readonly expires: boolean
  readonly at: number
  /** When the publisher heard that it is stored. */
  ackedAt: number
  /** A full disk did not take it, once at least; the publisher was told so, or was gone. */
  refused: boolean
  /** Its publisher sent it again in another session without knowing, so the hub cannot know it again. */
  strayed: boolean
}

export interface Span {
  readonly filter: string
  readonly qos: number
  readonly identifier: number
  sinceAt: number
  endAt: number
}

interface Arrival {
  readonly text: string
  readonly qos: number
  readonly retain: boolean
  /** The subscription identifier of the group it came by; 0 for none. */
  readonly shared: number
}

/** One session, as its client and the specification know it. */
export interface Incarnation {
  readonly client: string
  /** 0 for one that ends with its connection. */
  readonly number: number
  readonly expirySeconds: number
  /** Its client has heard something that waits for the disk. */
  durable: boolean
  ended: boolean
  /** Since when it is away; undefined while it is connected. */
  away: Moment | undefined
  /** The same before the last connection. */
  awayBefore: Moment | undefined
  /** The journal's places of its last opening and of its last leaving. */
  openedSeq: number
  readonly bornSeq: number
  leftSeq: number
  readonly spans: Span[]
  readonly arrivals: Arrival[]
}

/** A moment on both clocks, to say how much time has passed since: at least and at most, because the wall clock was set. */
export interface Moment {
  readonly monotonicMs: number
  readonly jumpedMs: number
  /** How much earlier it may have been, as far as the hub knows after a crash. */
  readonly slackMs: number
}

export interface WillRecord {
  readonly text: string
  readonly client: string
  readonly delaySeconds: number
  readonly expirySeconds: number
  /** What is owed; `open` while it is not decided. */
  verdict: 'open' | 'once' | 'never' | 'either'
  /** The journal's place of what decided; a crash that takes it undoes the decision. */
  seq: number
  left: Moment | undefined
  leftSeq: number
  count: number
}

const slackSeconds = 3

export class Ledger {
  readonly sent = new Map<string, Sent>()
  readonly incarnations: Incarnation[] = []
  readonly current = new Map<string, Incarnation>()
  readonly wills = new Map<string, WillRecord>()
  readonly violations: string[] = []
  #now = 0
  #clock: { monotonic(): number }
  #jumpedMs = 0

  constructor(clock: { monotonic(): number }) {
    this.#clock = clock
  }

  get now(): number {
    return this.#now
  }

  step(): void {
    this.#now++
  }

  /** With a wall clock that was set back, a restart begins to count anew. */
  #setBack = false

  jumped(ms: number): void {
    if (ms < 0) this.#setBack = true
    this.#jumpedMs += Math.abs(ms)
  }

  broken(what: string): void {
    this.violations.push(what)
  }

  moment(slackMs = 0): Moment {
    return { monotonicMs: this.#clock.monotonic(), jumpedMs: this.#jumpedMs, slackMs }
  }

  #passed(since: Moment): { least: number; most: number } {
    const passed = this.#clock.monotonic() - since.monotonicMs
    const blur = this.#jumpedMs - since.jumpedMs
    return {
      least: this.#setBack ? Number.NEGATIVE_INFINITY : (passed - blur) / 1000 - slackSeconds,
      most: (passed + blur + since.slackMs) / 1000 + slackSeconds,
    }
  }

  // ── sessions ──

  /** The hub has answered CONNECT. */
  opened(client: string, number: number, present: boolean, clean: boolean, expirySeconds: number, seq: number): Incarnation {
    const before = this.current.get(client)
    if (present && before !== undefined) {
      if (clean) this.broken(`${client} asked for a clean start and was given session ${number}`)
      if (before.number !== number) this.broken(`${client} was in session ${before.number} and found ${number}`)
      if (before.away !== undefined && this.#passed(before.away).least > expirySeconds)
        this.broken(`${client} found a session that had expired`)
      before.awayBefore = before.away
      before.away = undefined
      before.openedSeq = seq
      return before
    }
    if (present) this.broken(`${client} was given a session that it cannot know (${number})`)
    if (!clean && before?.durable === true && !before.ended) {
      const { most } = before.away === undefined ? { most: 0 } : this.#passed(before.away)
      if (most < before.expirySeconds) this.broken(`${client} has lost its session ${before.number}`)
    }
    if (before !== undefined) before.ended = true
    const incarnation: Incarnation = {
      client,
      number,
      expirySeconds,
      durable: false,
      ended: false,
      away: undefined,
      awayBefore: undefined,
      openedSeq: seq,
      bornSeq: seq,
      leftSeq: 0,
      spans: [],
      arrivals: [],
    }
    this.incarnations.push(incarnation)
    this.current.set(client, incarnation)
    return incarnation
  }

  left(client: string, seq: number): void {
    const incarnation = this.current.get(client)
    if (incarnation === undefined) return
    incarnation.away = this.moment()
    incarnation.leftSeq = seq
  }

  /** The hub died: what was not committed has not happened, and who was connected is away since about the last sign of life. */
  died(committedSeq: number, silentMs: number): void {
    const since = (left: Moment | undefined) =>
      this.moment(silentMs + (left === undefined ? 0 : this.#clock.monotonic() - left.monotonicMs + left.slackMs))
    for (const incarnation of this.current.values()) {
      const { away, awayBefore, openedSeq, leftSeq } = incarnation
      const left = openedSeq > committedSeq ? (awayBefore ?? away) : away
      incarnation.away = left === undefined || leftSeq > committedSeq ? since(left) : left
    }
    for (const will of this.wills.values()) {
      if (will.seq > committedSeq) will.verdict = 'either'
      else if (will.left !== undefined && will.leftSeq > committedSeq) will.left = since(will.left)
    }
  }

  // ── wills ──

  armed(will: WillRecord): void {
    this.wills.set(will.text, will)
  }

  /** The connection of a will is gone. */
  willLeft(will: WillRecord, goodbye: boolean, seq: number, slackMs = 0): void {
    if (will.verdict !== 'open') return
    if (goodbye) {
      will.verdict = 'never'
      will.seq = seq
    } else {
      will.left = this.moment(slackMs)
      will.leftSeq = seq
      if (this.#delayOf(will) === 0) will.verdict = 'once'
    }
  }

  /** The client is back: its delayed will is cancelled, or due because its session has ended. */
  cameBack(will: WillRecord, resumed: boolean, seq: number): void {
    if (will.verdict !== 'open' || will.left === undefined) return
    if (!resumed) will.verdict = 'once'
    else {
      const { least, most } = this.#passed(will.left)
      const delay = this.#delayOf(will)
      will.verdict = most < delay + 2 * slackSeconds && least + slackSeconds < delay ? 'never' : least > delay ? 'once' : 'either'
      if (most >= delay && will.verdict === 'never') will.verdict = 'either'
      will.seq = seq
    }
  }

  #delayOf(will: WillRecord): number {
    return Math.min(will.delaySeconds, will.expirySeconds)
  }

  // ── the end ──

  /** All that was owed, once everything has settled; the sessions are still there. */
  judge(): void {
    for (const incarnation of this.incarnations) {
      this.#judgeOnce(incarnation)
      this.#judgeOrder(incarnation)
      if (!incarnation.ended && incarnation.number !== 0) this.#judgeOwed(incarnation)
    }
    this.#judgeShared()
  }

  judgeWills(): void {
    for (const { text, verdict, count, left } of this.wills.values()) {
      if (count > 1) this.broken(`the will ${text} came ${count} times`)
      const owed = verdict === 'open' && left !== undefined ? 'once' : verdict
      if (owed === 'once' && count === 0) this.broken(`the will ${text} never came`)
      if (owed === 'never' && count > 0) this.broken(`the will ${text} came although nobody was to hear it`)
    }
  }

  /** A message that was acknowledged reaches who had subscribed. */
  #judgeOwed({ client, number, spans, arrivals }: Incarnation): void {
    const got = new Set(arrivals.filter(({ retain, shared }) => !retain && shared === 0).map(({ text }) => text))
    for (const { text, topic, qos, expires, at, ackedAt } of this.sent.values()) {
      if (qos === 0 || expires || ackedAt === Number.POSITIVE_INFINITY || got.has(text)) continue
      const owing = spans.find(
        (span) =>
          span.qos > 0 &&
          sharedFilterOf(span.filter) === undefined &&
          matches(span.filter, topic) &&
          span.sinceAt < at &&
          span.endAt > ackedAt,
      )
      if (owing !== undefined) {
        this.broken(
          `${text} at QoS ${qos} to ${topic} was acknowledged (${ackedAt}), and ${client} (${number}) never got it by ${owing.filter}`,
        )
      }
    }
  }

  #judgeOnce({ client, number, spans, arrivals }: Incarnation): void {
    const counts = new Map<string, number>()
    for (const { text, qos, retain, shared } of arrivals) {
      if (qos !== 2 || this.sent.get(text)?.strayed === true) continue
      const key = `${text}${retain ? ' retained' : ''}${shared === 0 ? '' : ` by group ${shared}`}`
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      const topic = this.sent.get(text)?.topic ?? ''
      const most = retain ? spans.filter(({ filter }) => matches(filter, topic)).length : 1
      if (count > most) this.broken(`${client} (${number}) got ${key} at QoS 2 for the ${count}. time`)
    }
  }

  /** Of messages that were first sent to a subscription that stands: of an older one, what comes may be the second time it was published. */
  #judgeOrder({ client, number, spans, arrivals }: Incarnation): void {
    const newest = new Map<string, { n: number; text: string }>()
    const seen = new Set<string>()
    for (const { text, qos, retain, shared } of arrivals) {
      const sent = this.sent.get(text)
      if (retain || shared !== 0 || sent === undefined || sent.refused || sent.strayed || seen.has(`${text} ${qos}`)) continue
      const stands = spans.some(
        (span) => matches(span.filter, sent.topic) && span.sinceAt < sent.at && span.endAt === Number.POSITIVE_INFINITY,
      )
      if (!stands) continue
      seen.add(`${text} ${qos}`)
      const key = `${sent.publisher} ${sent.topic} ${sent.qos} ${qos}`
      const n = Number(text.split(':')[1])
      const before = newest.get(key)
      if (before !== undefined && before.n > n) this.broken(`${client} (${number}) got ${text} after ${before.text} (${key})`)
      newest.set(key, { n, text })
    }
  }

  /** A group as one subscriber. A member that ends takes along what was begun at QoS 2; a member at QoS 0 may be gone. */
  #judgeShared(): void {
    const got = new Map<string, number>()
    for (const { arrivals } of this.incarnations) {
      for (const { text, qos, shared } of arrivals) {
        if (shared === 0) continue
        const strayed = this.sent.get(text)?.strayed === true
        got.set(`${text} ${shared}`, (got.get(`${text} ${shared}`) ?? 0) + (qos === 2 && !strayed ? 1 : 0))
      }
    }
    for (const [text, count] of got) if (count > 1) this.broken(`a group got ${text} at QoS 2 ${count} times`)
    const members = this.incarnations.flatMap(({ number, ended, spans }) =>
      spans.map((span) => ({ ...span, isSafe: number !== 0 && !ended })),
    )
    for (const { text, topic, qos, expires, at, ackedAt } of this.sent.values()) {
      if (qos === 0 || expires || ackedAt === Number.POSITIVE_INFINITY) continue
      const groups = new Map<number, typeof members>()
      for (const member of members) {
        const filter = sharedFilterOf(member.filter)
        if (filter === undefined || !matches(filter, topic) || got.has(`${text} ${member.identifier}`)) continue
        groups.set(member.identifier, [...(groups.get(member.identifier) ?? []), member])
      }
      for (const group of groups.values()) {
        const isOwed = group.some(({ isSafe, sinceAt, endAt }) => isSafe && sinceAt < at && endAt > ackedAt)
        const mayBeLost = group.some((member) => member.qos === 0 || (member.qos === 2 && qos === 2 && !member.isSafe))
        if (isOwed && !mayBeLost)
          this.broken(`${text} at QoS ${qos} to ${topic} was acknowledged, and nobody got it by ${group[0]?.filter}`)
      }
    }
  }
}

/** Written anew, so that the hub's own tree is not its own judge. */
export function matches(filter: string, topic: string): boolean {
  const asked = filter.split('/')
  const words = topic.split('/')
  for (const [at, word] of asked.entries()) {
    if (word === '#') return true
    if (at >= words.length || (word !== '+' && word !== words[at])) return false
  }
  return asked.length === words.length
}
