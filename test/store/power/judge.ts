// Says whether a store has what it acknowledged: rounds 1 to some number, each whole and once, none of them acknowledged and missing.
import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { MetricValue } from '../../../devices/device.ts'
import { systemClock } from '../../../hub/clock.ts'
import { decodeRollup } from '../../../hub/store/series/rollup-chunk.ts'
import type { PartitionRow } from '../../../hub/store/sqlite/catalogue.ts'
import { openSqliteStore } from '../../../hub/store/sqlite/open.ts'
import type { Store } from '../../../hub/store/store.ts'
import { stored } from '../kit.ts'
import { pathOf, rollAll } from '../telemetry/inside.ts'
import {
  appendFacts,
  appendRound,
  brief,
  briefReadingsOf,
  digestOf,
  firstMs,
  keep,
  type Publication,
  publicationsOf,
  readingsOf,
  retainedAfter,
  watcher,
  watcherAfter,
} from './rounds.ts'

/** By device and metric, `pump-1 level`: times and values. */
type Points = Map<string, (readonly [number, MetricValue])[]>

export interface Contents {
  readonly messages: readonly Publication[]
  readonly points: Points
}

/** Everything the store answers, by the ways its users ask. */
export async function readAll(store: Store): Promise<Contents> {
  const messages: Publication[] = []
  const toSeq = store.journal.storedSeq
  for (let afterSeq = 0; afterSeq < toSeq; ) {
    const page = await store.past({ filters: ['#'], afterSeq, toSeq })
    for (const { topic, payload } of page.messages) messages.push({ topic, digest: digestOf(payload) })
    afterSeq = page.toSeq
  }
  const points: Points = new Map()
  for await (const { device, metric, times, values } of store.telemetry.scan({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER })) {
    const name = `${device} ${metric}`
    const part = Array.from(times, (ts, at) => [ts, values[at]!] as const)
    points.set(name, [...(points.get(name) ?? []), ...part])
  }
  return { messages, points }
}

/** What rounds 1 to `count` bring. */
export function contentsAfter(count: number): Contents {
  const rounds = Array.from({ length: count }, (_, at) => at + 1)
  const points: Points = new Map()
  for (const { device, ts, values } of rounds.flatMap(readingsOf)) {
    for (const [metric, value] of Object.entries(values)) {
      const name = `pump-${device} ${metric}`
      const known = points.get(name)
      if (known === undefined) points.set(name, [[ts, value]])
      else known.push([ts, value])
    }
  }
  for (const series of points.values()) series.sort(([a], [b]) => a - b)
  return { messages: rounds.flatMap(knownPublications), points }
}

/** Made once each: thousands of judgements need them. */
const publications: (readonly Publication[])[] = []

function knownPublications(round: number): readonly Publication[] {
  publications[round] ??= publicationsOf(round)
  return publications[round]
}

/** How many whole rounds these messages are. */
export function roundsIn(messages: readonly Publication[]): number {
  let rounds = 0
  for (let at = 0; at < messages.length; at += knownPublications(rounds).length) rounds += 1
  return rounds
}

export interface Claim {
  /** Rounds that somebody was told are on disk. */
  readonly acknowledged: number
  /** Rounds that the store was ever given. */
  readonly appended: number
  /** False where facts about sessions were not part of the rounds. */
  readonly hasFacts: boolean
}

/** Opens what is in the folder, judges it, goes on working with it and closes it. Returns the rounds found. Errors: a sentence. */
export async function judge(folder: string, claim: Claim): Promise<number> {
  const store = await openSqliteStore({ folder, durability: 'fsync', clock: systemClock, keep })
  let fatal: Error | undefined
  store.onFatal((error) => (fatal = error))
  let rounds: number
  try {
    rounds = await judgeContents(store, claim)
    await goesOn(store, rounds, claim.hasFacts)
  } finally {
    await store.close()
  }
  assert.equal(fatal, undefined)
  assert.equal(
    pointsInTables(folder),
    (rounds + 1) * readingsOf(1).length * Object.keys(readingsOf(1)[0]!.values).length,
    'points in the tables',
  )
  judgeExpiry(folder, rounds + 1)
  judgeFiles(folder)
  return rounds
}

async function judgeContents(store: Store, { acknowledged, appended, hasFacts }: Claim): Promise<number> {
  assert.equal(store.figures().damagedFrames, 0, 'frames of the journal are damaged')
  const { messages, points } = await readAll(store)
  const rounds = roundsIn(messages)
  assert.ok(rounds >= acknowledged, `${acknowledged} rounds were acknowledged, and ${rounds} are in the journal`)
  assert.ok(rounds <= appended, `${appended} rounds were appended, and ${rounds} are in the journal`)
  same({ messages, points }, rounds)
  const retained = store.retainedAtStart.map(({ payload }) => Buffer.from(payload).toString())
  assert.deepEqual(retained, retainedAfter(rounds), 'retained messages')
  if (hasFacts) await judgeSessions(store, rounds)
  return rounds
}

function same({ messages, points }: Contents, rounds: number): void {
  const expected = contentsAfter(rounds)
  sameBrief(points, rounds)
  sameList('the journal', messages, expected.messages, (a, b) => a.topic === b.topic && a.digest === b.digest)
  const lasting = [...points.keys()].filter((name) => !name.endsWith(brief))
  sameList('the names of series', lasting.sort(), [...expected.points.keys()].sort(), Object.is)
  for (const [name, pairs] of expected.points) {
    sameList(`the points of ${name}`, points.get(name) ?? [], pairs, (a, b) => a[0] === b[0] && a[1] === b[1])
  }
}

/** Each point that is still there is one that came. */
function sameBrief(points: Points, rounds: number): void {
  const sent = Array.from({ length: rounds }, (_, at) => briefReadingsOf(at + 1)).flat()
  const expected = new Map(sent.map(({ ts, values }) => [ts, values[brief]]))
  const found = points.get(`pump-1 ${brief}`) ?? []
  for (const [at, [ts, value]] of found.entries()) {
    assert.ok(at === 0 || found[at - 1]![0] < ts, `a brief point of ${ts} is there twice`)
    assert.equal(value, expected.get(ts), `the brief point of ${ts}`)
  }
}

/**
 * Points may be gone, what the tiers say of them is not: each is in them once, whatever was cut off between catalogue and files. What is on
 * record has its file, and no file is there for nothing.
 */
function judgeExpiry(folder: string, rounds: number): void {
  rollAll(folder, firstMs) // the brief days, by hand; the store is closed
  const records = recordsOf(folder)
  const there = records.filter(({ state }) => state !== 'gone')
  for (const { file } of there) assert.ok(existsSync(pathOf(folder, file)), `${file} is on record and not there`)
  const files = globSync('*/*', { cwd: join(folder, 'series') })
  assert.deepEqual(files.sort(), there.map(({ file }) => file).sort(), 'the files of partitions')

  const buckets = there.filter(({ tier, keep }) => keep === brief && tier !== 'raw').flatMap((row) => bucketsIn(folder, row))
  const counted = (of: string, fromMs: number, endMs: number) => {
    return buckets.reduce((sum, { tier, atMs, points }) => sum + (tier === of && atMs >= fromMs && atMs < endMs ? points : 0), 0)
  }
  const sent = rounds * briefReadingsOf(1).length
  assert.equal(counted('day', 0, firstMs), sent, 'brief points in days')
  assert.equal(counted('hour', 0, firstMs), sent, 'brief points in hours')
  for (const { state, startMs, endMs } of records) {
    if (state !== 'gone') continue
    assert.equal(counted('minute', startMs, endMs), counted('hour', startMs, endMs), 'brief points in minutes of a day that is gone')
  }
}

type Partition = Pick<PartitionRow, 'file' | 'tier' | 'keep' | 'state' | 'startMs' | 'endMs'>

function recordsOf(folder: string): Partition[] {
  return reading(join(folder, 'mooring.db'), (db) => {
    return db.prepare<[], Partition>('SELECT file, tier, keep, state, start_ms AS startMs, end_ms AS endMs FROM partitions').all()
  })
}

function bucketsIn(folder: string, { file, tier }: Partition): { tier: string; atMs: number; points: number }[] {
  const chunks = reading(pathOf(folder, file), (db) => db.prepare<[], Buffer>('SELECT bytes FROM chunks').pluck().all())
  return chunks.map(decodeRollup).flatMap(({ starts, counts }) => {
    return Array.from(starts, (atMs, at) => ({ tier, atMs, points: counts[at]! }))
  })
}

function reading<Found>(path: string, look: (db: Database.Database) => Found): Found {
  const db = new Database(path, { readonly: true })
  try {
    return look(db)
  } finally {
    db.close()
  }
}

/** The first difference says it; hundreds of points on the screen would not. */
function sameList<Item>(what: string, found: readonly Item[], expected: readonly Item[], equal: (a: Item, b: Item) => boolean): void {
  const different = expected.findIndex((item, at) => at >= found.length || !equal(item, found[at]!))
  if (different === -1 && found.length === expected.length) return
  const place = different === -1 ? expected.length : different
  const sentence = `place ${place} has ${JSON.stringify(found[place])} instead of ${JSON.stringify(expected[place])}`
  assert.fail(`${what}: ${found.length} instead of ${expected.length}, ${sentence}`)
}

async function judgeSessions(store: Store, rounds: number): Promise<void> {
  const sessions = [...store.sessionsAtStart]
  assert.equal(sessions.length, Math.min(rounds, 1), 'sessions')
  const [session] = sessions
  if (session === undefined) return
  const owed = await store.owed(watcher)
  const found = {
    owed: owed.map(({ message }) => Buffer.from(message.payload).toString()),
    packetIds: owed.map(({ packetId }) => packetId),
    filters: session.subscriptions.map(({ filter }) => filter).sort(),
    received: [...session.receivedQoS2].sort((a, b) => a - b),
  }
  assert.deepEqual(found, watcherAfter(rounds), 'the session')
}

/** A store that was read is not yet one that works. */
async function goesOn(store: Store, rounds: number, hasFacts: boolean): Promise<void> {
  appendRound(store, rounds + 1)
  if (hasFacts) appendFacts(store, rounds + 1, await placesOwed(store))
  await stored(store)
  await store.status({ seal: true })
  assert.equal((await store.device('pump-1'))?.id, 'pump-1', 'a device that was just written')
}

/** Where the deliveries lie that are not finished, by round. */
export async function placesOwed(store: Store): Promise<Map<number, number>> {
  const owed = await store.owed(watcher)
  return new Map(owed.map(({ place, packetId }) => [packetId, place]))
}

/** Looks past the store, which shows one point of a moment even where two were written: points on their way, and those in chunks that stay. */
function pointsInTables(folder: string): number {
  return reading(join(folder, 'mooring.db'), (db) => {
    const heads = db.prepare<[], number>('SELECT sum(points) FROM heads').pluck().get() ?? 0
    const files = db.prepare<[], string>("SELECT file FROM partitions WHERE tier = 'raw' AND keep = 'default'").pluck().all()
    return files.reduce((points, file) => points + pointsInChunks(join(folder, 'series', file)), heads)
  })
}

function pointsInChunks(path: string): number {
  return reading(path, (db) => db.prepare<[], number>('SELECT sum(count) FROM chunks').pluck().get() ?? 0)
}

function judgeFiles(folder: string): void {
  for (const file of globSync('**/*.db', { cwd: folder })) {
    const db = new Database(join(folder, file))
    try {
      assert.deepEqual(db.pragma('integrity_check', { simple: true }), 'ok', `${file} is damaged`)
    } finally {
      db.close()
    }
  }
}
