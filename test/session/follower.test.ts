// Clients that go by cursor: whatever their wires do, each sees every message once and in order.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import Database from 'better-sqlite3'
import type { Message } from '../../devices/message.ts'
import { unbounded } from '../../devices/permissions.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import type { FollowingConnection, Passing } from '../../hub/session/connection.ts'
import type { Session } from '../../hub/session/session.ts'
import type { Durability } from '../../hub/store/store.ts'
import { newFolder } from '../kit/hub.ts'
import { anybody } from '../kit/principals.ts'
import { makeSessions, silentWire } from '../kit/sessions.ts'
import { stored } from '../store/kit.ts'

const plain = { qos: 1, noLocal: false, retainAsPublished: false, identifier: undefined } as const
const lasting = (after?: number) => ({
  clean: false,
  expirySeconds: 600,
  will: undefined,
  principal: anybody,
  follow: { after: after === undefined ? undefined : { seq: after, known: true } },
})

async function world(t: TestContext, folder = newFolder(t), durability: Durability = 'fsync') {
  const { store, metrics, router, sessions } = await makeSessions(t, durability, folder)
  const publish = (topic: string, text: string, qos: 0 | 1 = 1) => {
    const bytes = Buffer.from(text)
    const publication = { qos, retain: false, properties: undefined, from: undefined, permissions: unbounded, checked: false }
    return router.publish(router.routeOf(topic), bytes, 0, bytes.length, publication)
  }
  return { store, router, sessions, metrics, publish }
}

/** A wire that takes as much as its test lets it, and writes down what it got. */
class Wire implements FollowingConnection {
  readonly follows = true
  readonly transport = 'json-ws'
  readonly address = 'test'
  readonly keepAliveSeconds = 0
  readonly got: { seq: number; text: string; how: Passing }[] = []
  readonly gaps: (readonly [string, string])[] = []
  room = Number.POSITIVE_INFINITY
  closed: string | undefined
  #waiting: { readonly count: number; resolve(): void } | undefined

  get writable(): boolean {
    return this.room > 0
  }

  pass(message: Message, how: Passing): void {
    this.room -= 1
    this.got.push({ seq: message.seq, text: Buffer.from(message.payload).toString(), how })
    if (this.#waiting !== undefined && this.got.length >= this.#waiting.count) this.#waiting.resolve()
  }

  gap(asked: string, continues: string): void {
    this.gaps.push([asked, continues])
  }

  close(why: Refusal): void {
    this.closed = why.code
  }

  async until(count: number): Promise<string[]> {
    if (this.got.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = { count, resolve }
      })
    }
    return this.texts
  }

  get texts(): string[] {
    return this.got.map(({ text }) => text)
  }
}

const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, at) => `${from + at}`)

for (const durability of ['fsync', 'memory'] as const) {
  test(`${durability}: a client that is cut, goes slow and comes back with its cursor sees every message once, in order`, async (t) => {
    const { sessions, publish } = await world(t, newFolder(t), durability)
    let seed = 42
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      return Math.floor((seed / 2_147_483_648) * below)
    }
    const total = 3000
    const seen: string[] = []
    let wire = new Wire()
    let { session } = sessions.open('c', wire, lasting(0))
    session.subscribe('a/#', plain)
    session.flush()
    let after = 0
    const collect = () => {
      for (const { text, seq } of wire.got.splice(0)) {
        seen.push(text)
        after = seq
      }
    }
    for (let next = 0; next < total; ) {
      for (let burst = random(20); burst > 0 && next < total; burst -= 1) {
        publish(`a/${random(3)}`, `${next}`)
        publish('other', 'x')
        next += 1
      }
      const what = random(12)
      if (what === 0) wire.room = random(5)
      else if (what === 1) {
        wire.room = Number.POSITIVE_INFINITY
        session.flush()
      } else if (what === 2) {
        collect()
        sessions.leave(session, wire, { publishWill: false, why: 'connection-lost' })
        for (let away = random(6); away > 0; away -= 1) await turn()
        wire = new Wire()
        ;({ session } = sessions.open('c', wire, lasting(after)))
        session.flush()
      }
      if (random(3) === 0) await turn()
      collect()
    }
    wire.room = Number.POSITIVE_INFINITY
    session.flush()
    await wire.until(total - seen.length)
    collect()
    assert.deepEqual(seen, numbered(total))
  })
}

test('what a client does not read is not kept in memory for it: it lies in the journal', async (t) => {
  const { sessions, publish, store } = await world(t)
  const wire = new Wire()
  const { session } = sessions.open('slow', wire, lasting())
  session.subscribe('a', plain)
  session.flush()
  publish('a', 'first')
  await wire.until(1)
  wire.got.length = 0
  wire.room = 3
  for (let at = 0; at < 2000; at += 1) publish('a', `${at}`)
  await stored(store)
  assert.deepEqual(wire.texts, numbered(3))
  assert.equal(session.outboxCount, 0)
  wire.room = 1000
  session.flush()
  await wire.until(1000)
  wire.room = 3000
  session.flush()
  assert.deepEqual(await wire.until(2000), numbered(2000))
})

test('more may come during the last look into the journal than is held for it: then it looks again', async (t) => {
  const { sessions, publish, store } = await world(t)
  for (let at = 0; at < 10; at += 1) publish('a', `${at}`)
  await stored(store)
  const wire = new Wire()
  const { session } = sessions.open('late', wire, lasting(0))
  session.subscribe('a', plain)
  session.flush() // the look is under way
  const total = 10 + limits.aheadMessages * 3
  for (let at = 10; at < total; at += 1) publish('a', `${at}`)
  assert.deepEqual(await wire.until(total), numbered(total))
  publish('a', 'live')
  assert.equal((await wire.until(total + 1)).at(-1), 'live')
})

test('what comes live while the last look is under way follows it, each once', async (t) => {
  const { sessions, publish, store } = await world(t, newFolder(t), 'memory') // a message is delivered as it comes, before any look is back
  for (const text of numbered(5)) publish('a', text)
  await stored(store)
  const wire = new Wire()
  const { session } = sessions.open('c', wire, lasting(0))
  session.subscribe('a', plain)
  session.flush()
  for (const text of numbered(5, 5)) publish('a', text)
  assert.deepEqual(wire.texts, [], 'the look is not back')
  assert.deepEqual(await wire.until(10), numbered(10))
  publish('a', '10')
  assert.deepEqual(await wire.until(11), numbered(11))
})

test('a history of a new filter comes first and is marked; then the session goes on with all its filters', async (t) => {
  const { sessions, publish, store } = await world(t)
  for (let at = 0; at < 5; at += 1) {
    publish('old', `old ${at}`)
    publish('mine', `mine ${at}`)
  }
  await stored(store)
  const wire = new Wire()
  const { session } = sessions.open('c', wire, lasting())
  session.subscribe('mine', plain)
  session.flush()
  publish('mine', 'mine 5')
  await wire.until(1)
  session.subscribe('old', plain)
  session.follower?.readHistory('old', 0)
  publish('mine', 'mine 6')
  publish('old', 'old 5')
  await wire.until(8)
  assert.deepEqual(
    wire.got.map(({ text, how }) => `${text} ${how}`),
    ['mine 5 live', 'old 0 history', 'old 1 history', 'old 2 history', 'old 3 history', 'old 4 history', 'mine 6 live', 'old 5 live'],
  )
})

test('without a cursor a session goes on behind what was acknowledged, also in the next run', async (t) => {
  const folder = newFolder(t)
  const first = await world(t, folder)
  const wire = new Wire()
  const { session } = first.sessions.open('c', wire, lasting())
  session.subscribe('a', plain)
  session.flush()
  const seqs = numbered(6).map((text) => first.publish('a', text))
  await wire.until(6)
  session.follower?.acknowledge(seqs[3]!)
  session.follower?.acknowledge(seqs[1]!) // older news

  const again = new Wire()
  const resumed = first.sessions.open('c', again, lasting())
  assert.equal(resumed.resumed, true)
  assert.equal(wire.closed, 'taken-over')
  resumed.session.flush()
  assert.deepEqual(await again.until(2), ['4', '5'])
  first.publish('a', '6')
  await again.until(3)
  await first.store.close()

  const second = await world(t, folder)
  const later = new Wire()
  const back = second.sessions.open('c', later, lasting())
  assert.equal(back.resumed, true)
  back.session.flush()
  assert.deepEqual(await later.until(3), ['4', '5', '6'])
  second.publish('a', '7')
  assert.deepEqual(await later.until(4), ['4', '5', '6', '7'])
})

test('what is not kept is live only; what is kept is owed whatever its QoS', async (t) => {
  const { sessions, publish, metrics } = await world(t)
  const wire = new Wire()
  const { session } = sessions.open('c', wire, lasting())
  session.subscribe('#', plain)
  session.flush()
  publish('fleeting', '1', 0)
  assert.deepEqual(wire.texts, ['1'])
  sessions.leave(session, wire, { publishWill: false, why: 'connection-lost' })
  publish('fleeting', '2', 0)
  publish('devices/pump-7/telemetry', '{"t":1}', 0)
  const again = new Wire()
  sessions.open('c', again, lasting()).session.flush()
  assert.deepEqual(await again.until(1), ['{"t":1}'])
  again.room = 0
  publish('fleeting', '3', 0)
  assert.equal(metrics.droppedFor('outbox-full-qos0'), 1)
})

test('a cursor from before the journal gets a gap, and goes on from what is there', async (t) => {
  const folder = newFolder(t)
  const first = await world(t, folder)
  for (const text of numbered(4)) {
    first.publish('a', text)
    await stored(first.store)
  }
  await first.store.close()
  trim(folder, 2) // as the writer does it when the journal is full

  const { sessions, store } = await world(t, folder)
  const wire = new Wire()
  const { session } = sessions.open('c', wire, lasting(0))
  session.subscribe('a', plain)
  session.flush()
  assert.deepEqual(await wire.until(2), ['2', '3'])
  assert.deepEqual(wire.gaps, [[store.cursors.cursorOf(0), store.cursors.cursorOf(2)]])
})

/** Takes the oldest batches out of the journal of a hub that is down. */
function trim(folder: string, batches: number): void {
  const db = new Database(join(folder, 'mooring.db'))
  db.prepare('DELETE FROM journal WHERE first_seq IN (SELECT first_seq FROM journal ORDER BY first_seq LIMIT ?)').run(batches)
  db.close()
}

test('sessions of the two kinds do not turn into one another unasked', async (t) => {
  const { sessions } = await world(t)
  const wire = new Wire()
  sessions.open('c', wire, lasting())
  const kept = { clean: false, expirySeconds: 600, will: undefined, principal: anybody }
  const opened = sessions.open('c', silentWire(), kept)
  assert.equal(opened.resumed, false, 'a CONNECT finds no session of its kind and begins anew')
  assert.equal(wire.closed, 'taken-over')
  const isRefused = (error: unknown) => error instanceof Refusal && error.code === 'session-elsewhere'
  assert.throws(() => sessions.open('c', new Wire(), lasting()), isRefused)
  assert.equal(opened.session.presence.at, 'online', 'and the one that has it keeps it')
  const clean = sessions.open('c', new Wire(), { ...lasting(), clean: true })
  assert.equal(clean.resumed, false)
  assert.equal((clean.session as Session).follower !== undefined, true)
})
