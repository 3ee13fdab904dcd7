// What the workload stores, in rounds: each is a function of its number, so that whoever finds `count` of them knows all that must be there.
import { createHash } from 'node:crypto'
import type { MetricValue } from '../../../devices/device.ts'
import type { Message } from '../../../devices/message.ts'
import { retention } from '../../../hub/retention.ts'
import { frameFlags, type Store } from '../../../hub/store/store.ts'
import { publish, reading } from '../kit.ts'

export const devices = 6
/** The points of one metric are let go of, and their rollups stay: at any date of today, because their days are long over. */
export const keep = retention.read('raw forever; brief metric=brief: raw 1d, minute forever')
export const brief = 'brief'
const briefMs = Date.UTC(2026, 0, 5)
const roundsPerBriefDay = 60
const readingsPerRound = 12
export const firstMs = Date.UTC(2026, 10, 20)
const dayMs = 86_400_000
export const watcher = 1 // the one session
const owedRounds = 3 // it acknowledges what it is owed three rounds later

export interface Reading {
  readonly device: number
  readonly ts: number
  readonly values: { readonly [metric: string]: MetricValue }
}

export interface Publication {
  readonly topic: string
  /** Of the payload, short enough to be looked at. */
  readonly digest: string
}

/** For ever. On three days, each in order of time, so that days come again when others have begun. */
export function readingsOf(round: number): Reading[] {
  const known = Math.min(round, devices)
  return Array.from({ length: readingsPerRound }, (_, at) => {
    const n = (round - 1) * readingsPerRound + at
    const values = { n, level: 20 + Math.round(Math.sin(n) * 1000) / 100, on: n % 3 === 0, note: `round ${round}` }
    return { device: 1 + (n % known), ts: firstMs + (round % 3) * dayMs + n * 1000, values }
  })
}

/** Every fourth round has one that takes pages of its own. */
function largeOf(round: number): Uint8Array | undefined {
  if (round % 4 !== 0) return undefined
  const bytes = Buffer.alloc(20_000 + (round % 7) * 8_000)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(Math.imul(round * 65_537 + at, 2_654_435_761) >>> 0, at)
  return bytes
}

/** One for the newest of its days, and one that comes late for the first. */
export function briefReadingsOf(round: number): Reading[] {
  const dayStartMs = briefMs + Math.floor(round / roundsPerBriefDay) * dayMs
  return [
    { device: 1, ts: dayStartMs + round * 2000, values: { [brief]: round } },
    { device: 1, ts: briefMs + round * 2000 + 1000, values: { [brief]: -round } },
  ]
}

const stateOf = (round: number) => `state ${round}`
const stateTopic = 'plant/state'

/** All of it is appended in one turn of the loop, so one batch takes it. */
export function appendRound(store: Store, round: number): void {
  if (round <= devices) store.journal.appendDevice(`pump-${round}`, round)
  appendMessages(store, round)
}

/** The part of a round that a full disk may refuse; devices and facts stay with the journal, which brings them with the next batch. */
export function appendMessages(store: Store, round: number): void {
  for (const { device, ts, values } of [...readingsOf(round), ...briefReadingsOf(round)]) reading(store, device, { ts, values })
  const large = largeOf(round)
  if (large !== undefined) publish(store, 'plant/large', large, { flags: 1 })
  publish(store, stateTopic, stateOf(round), { flags: 1 | frameFlags.retain })
}

/** A session takes one subscription more, is owed the state of the round, and is done with what lies three rounds back. */
export function appendFacts(store: Store, round: number, places: Map<number, number>): void {
  const { sessionLog } = store
  if (round === 1) sessionLog.opened(watcher, 'watcher', 3600, undefined, '')
  sessionLog.received(watcher, round)
  if (round > 2) sessionLog.forgotten(watcher, round - 2)
  sessionLog.subscribed(watcher, { filter: filterOf(round), qos: 1, noLocal: false, retainAsPublished: false, identifier: undefined })
  if (round > owedRounds) sessionLog.unsubscribed(watcher, filterOf(round - owedRounds))
  const owed = { message: stateMessage(round), qos: 1, retain: false, identifiers: undefined, shareFilter: undefined } as const
  places.set(round, sessionLog.owed(watcher, owed, round, false))
  const done = places.get(round - owedRounds)
  if (done !== undefined) sessionLog.finished(watcher, done)
}

function stateMessage(round: number): Message {
  return {
    seq: 0,
    topic: stateTopic,
    payload: Buffer.from(stateOf(round)),
    qos: 1,
    retain: false,
    properties: undefined,
    atMs: firstMs,
    expiresAtMs: Number.POSITIVE_INFINITY,
    from: undefined,
  }
}

const filterOf = (round: number) => `round/${round}`

export function digestOf(payload: Uint8Array): string {
  return createHash('sha1').update(payload).digest('hex').slice(0, 12)
}

/** The messages of one round as the journal must have them, in order. */
export function publicationsOf(round: number): Publication[] {
  const large = largeOf(round)
  return [
    ...[...readingsOf(round), ...briefReadingsOf(round)].map(({ device, ts, values }) => ({
      topic: `devices/pump-${device}/telemetry`,
      digest: digestOf(Buffer.from(JSON.stringify({ ts, values }))),
    })),
    ...(large === undefined ? [] : [{ topic: 'plant/large', digest: digestOf(large) }]),
    { topic: stateTopic, digest: digestOf(Buffer.from(stateOf(round))) },
  ]
}

/** What a session is owed, in order, with the packet identifiers it was sent under. */
export function watcherAfter(rounds: number): { owed: string[]; packetIds: number[]; filters: string[]; received: number[] } {
  const last = (count: number) => Array.from({ length: Math.min(count, rounds) }, (_, at) => rounds - Math.min(count, rounds) + 1 + at)
  return {
    owed: last(owedRounds).map(stateOf),
    packetIds: last(owedRounds),
    filters: last(owedRounds).map(filterOf).sort(),
    received: last(2),
  }
}

export function retainedAfter(rounds: number): string[] {
  return rounds === 0 ? [] : [stateOf(rounds)]
}
