// What a subscriber had asked for and did not get: each drop is counted once, under its reason, where operators look.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import type { IConnectPacket } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { type DropReason, dropReasons } from '../../hub/metrics.ts'
import { HandClock } from '../kit/clock.ts'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import { hubOfFile, moor, type TestClient } from '../kit/mqtt.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)

interface Drops {
  readonly figures: { readonly dropped: number }
  readonly drops: readonly { readonly reason: DropReason; readonly sentence: string; readonly count: number }[]
}

async function counts(of: TestHub): Promise<ReadonlyMap<DropReason, number>> {
  const { figures, drops } = (await of.get('/v1/hub')) as Drops
  const sum = drops.reduce((total, { count }) => total + count, 0)
  assert.equal(sum, figures.dropped, 'every drop has its reason')
  return new Map(drops.map(({ reason, count }) => [reason, count]))
}

/** Counts from now on; the answer names the reasons that were met since. */
async function dropsOf(of: TestHub): Promise<() => Promise<Partial<Record<DropReason, number>>>> {
  const before = await counts(of)
  return async () => {
    const grown = [...(await counts(of))].map(([reason, count]) => [reason, count - (before.get(reason) ?? 0)] as const)
    return Object.fromEntries(grown.filter(([, count]) => count > 0))
  }
}

/** A session that lasts `seconds`, whose client is sent one message and acknowledges none. */
async function busy(t: TestContext, name: string, topic: string, seconds: number, of: TestHub = hub): Promise<TestClient> {
  const client = await moor(t, of, name, 5, lasting(seconds))
  client.answers = false
  await client.subscribe(topic, { qos: 1 })
  return client
}

function lasting(sessionExpiryInterval: number): Partial<IConnectPacket> {
  return { clean: false, properties: { sessionExpiryInterval, receiveMaximum: 1 } }
}

/** All is on its way to whom it is for once this resolves. */
async function publishMany(publisher: TestClient, topic: string, count: number, qos: 0 | 1): Promise<void> {
  for (let from = 0; from < count; from += 50) {
    await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, at) => publisher.publish(topic, `${from + at}`, { qos })))
  }
  await publisher.ping()
}

test('outbox-full: what comes when no more may be owed', async (t) => {
  const dropped = await dropsOf(hub)
  const absent = await busy(t, 'full', 'full', 600)
  await absent.leave()
  const publisher = await moor(t, hub, 'full-out')
  await publishMany(publisher, 'full', limits.outboxMessages + 3, 1)
  assert.deepEqual(await dropped(), { 'outbox-full': 3 })
})

test('outbox-full-qos0: what gives way in a full outbox to what is owed', async (t) => {
  const dropped = await dropsOf(hub)
  const client = await busy(t, 'gives-way', 'gives-way', 600)
  const publisher = await moor(t, hub, 'gives-way-out')
  await publishMany(publisher, 'gives-way', 2, 1) // one is sent and not acknowledged, so that one waits, and all that follows behind it
  await publishMany(publisher, 'gives-way', limits.outboxMessages - 1, 0)
  assert.deepEqual(await dropped(), {})
  await publishMany(publisher, 'gives-way', 3, 1)
  assert.deepEqual(await dropped(), { 'outbox-full-qos0': 3 })
  await client.leave()
  assert.deepEqual(await dropped(), { 'outbox-full-qos0': 3, 'away-qos0': limits.outboxMessages - 4 })
})

test('away-qos0: what waited for a client when it went; what comes while it is away is owed to nobody', async (t) => {
  const publisher = await moor(t, hub, 'away-out')
  for (const [topic, qos] of [
    ['away/1', 1],
    ['away/2', 1],
    ['away/3', 0],
  ] as const) {
    await publisher.publish(topic, 'retained', { qos, retain: true })
  }
  await publisher.publish('away', 'all before it is retained', { qos: 1 }) // a QoS 0 has no answer of its own
  const dropped = await dropsOf(hub)
  const client = await busy(t, 'away', 'away/+', 600) // the first is sent, so that the second and the third wait
  assert.equal((await client.next('publish')).topic, 'away/1')
  await publishMany(publisher, 'away/4', 2, 0)
  await client.leave()
  assert.deepEqual(await dropped(), { 'away-qos0': 3 })
  await publishMany(publisher, 'away/4', 1, 0)
  assert.deepEqual(await dropped(), { 'away-qos0': 3 })
})

test('expired: what nobody could be given in time, each once', async (t) => {
  const publisher = await moor(t, hub, 'expired-out', 5)
  const properties = { messageExpiryInterval: 10 }
  const absent = await busy(t, 'expired', 'expired', 600)
  await absent.leave()
  const member = await busy(t, 'expired-member', '$share/expired/shared-expired', 20)
  await member.leave()
  const dropped = await dropsOf(hub)
  await publisher.publish('expired', 'x', { qos: 1, properties })
  await publisher.publish('shared-expired', 'x', { qos: 1, properties })
  await publisher.publish('retained-expired', 'x', { qos: 1, retain: true, properties })
  clock.advance(11)
  const back = await busy(t, 'expired', 'expired', 600)
  await back.ping()
  assert.deepEqual(await dropped(), { expired: 1 })

  const other = await busy(t, 'expired-other', '$share/expired/shared-expired', 600)
  clock.advance(11) // the session ends, and what it was given goes back to its group
  assert.deepEqual(await dropped(), { expired: 2 })

  await other.subscribe('retained-expired')
  assert.deepEqual(await other.leftovers(), [])
  assert.deepEqual(await dropped(), { expired: 2 }, 'nobody had asked for the retained one while there was time')
})

test('too-large: what is larger than the packets that a client takes', async (t) => {
  const dropped = await dropsOf(hub)
  const client = await moor(t, hub, 'small', 5, { properties: { maximumPacketSize: 100 } })
  await client.subscribe('small', { qos: 1 })
  const publisher = await moor(t, hub, 'small-out')
  await publisher.publish('small', 'x'.repeat(200), { qos: 1 })
  await publisher.publish('small', 'x'.repeat(200))
  await publisher.publish('small', 'fits', { qos: 1 })
  assert.deepEqual(await client.texts(1), ['fits'])
  assert.deepEqual(await dropped(), { 'too-large': 2 })
})

test('no-member: what no member of a shared group can be owed', async (t) => {
  const member = await busy(t, 'member', '$share/group/shared', 600)
  const publisher = await moor(t, hub, 'shared-out')
  const dropped = await dropsOf(hub)
  await publishMany(publisher, 'shared', 2, 1) // one is sent, the other waits
  await member.leave()
  await publishMany(publisher, 'shared', 1, 0)
  assert.deepEqual(await dropped(), { 'no-member': 1 })
  clock.advance(602)
  const grown = (await dropped())['no-member']
  assert.equal(grown, 3, 'there is no other member for what the last one was given')
})

test('session-ended: what a client had not taken when its session ended, also when an earlier run of the hub had owed it', async (t) => {
  const folder = newFolder(t)
  const before = await startHub(t, { data: folder }, clock)
  const dropped = await dropsOf(before)
  const publisher = await moor(t, before, 'out')
  const brief = await busy(t, 'brief', 'a', 0, before)
  await publishMany(publisher, 'a', 3, 1) // one is sent and not acknowledged
  await brief.leave()
  assert.deepEqual(await dropped(), { 'session-ended': 3 })
  const absent = await busy(t, 'absent', 'a', 60, before)
  await absent.leave()
  await publishMany(publisher, 'a', 5, 1)
  await before.stop()

  const after = await startHub(t, { data: folder }, clock)
  const droppedAfter = await dropsOf(after)
  clock.advance(62)
  assert.deepEqual(await droppedAfter(), { 'session-ended': 5 })
})

test('damaged: what was owed on disk and is not there any more as it was written', async (t) => {
  const folder = newFolder(t)
  const before = await startHub(t, { data: folder }, clock)
  const absent = await busy(t, 'absent', 'a', 60, before)
  await absent.leave()
  await publishMany(await moor(t, before, 'out'), 'a', 3, 1)
  await before.stop()
  const db = new Database(join(folder, 'mooring.db'))
  db.exec('UPDATE owed_messages SET frame = zeroblob(length(frame)) WHERE seq = (SELECT min(seq) FROM owed_messages)')
  db.close()
  const after = await startHub(t, { data: folder }, clock)
  const droppedAfter = await dropsOf(after)
  const back = await moor(t, after, 'absent', 5, lasting(60))
  assert.deepEqual(await back.texts(2), ['1', '2'])
  assert.deepEqual(await droppedAfter(), { damaged: 1 })
})

test('not-allowed: a part of what was subscribed that a rule denies', async (t) => {
  const rules = [
    { effect: 'allow', actions: ['subscribe'], filter: 'allowed/#' },
    { effect: 'deny', actions: ['subscribe'], filter: 'allowed/not/#' },
  ]
  await fetch(`${hub.url}/v1/roles/partly`, { method: 'PUT', body: JSON.stringify(rules) })
  const { secret } = (await (await hub.post('/v1/keys/partly', { role: 'partly' })).json()) as { secret: string }
  const dropped = await dropsOf(hub)
  const client = await moor(t, hub, 'partly', 5, { username: 'any', password: Buffer.from(secret) })
  await client.subscribe('allowed/#', { qos: 1 })
  const publisher = await moor(t, hub, 'out of it')
  for (const qos of [0, 1] as const) await publisher.publish('allowed/not/this', `${qos}`, { qos })
  await publisher.publish('allowed/this', 'last', { qos: 1 })
  assert.deepEqual(await client.texts(1), ['last'])
  assert.deepEqual(await dropped(), { 'not-allowed': 2 })
})

test('every reason is listed with its sentence, and the total stays', async () => {
  const { drops, figures } = (await hub.get('/v1/hub')) as Drops
  assert.deepEqual(
    drops.map(({ reason, sentence }) => [reason, sentence]),
    Object.entries(dropReasons),
  )
  assert.deepEqual(
    drops.filter(({ count, reason }) => count === 0 && reason !== 'damaged' && reason !== 'outdated'),
    [],
    'each reason was met in this file, damage at another hub, and what is outdated where there are commands and twins',
  )
  assert.ok(figures.dropped > limits.outboxMessages)
})
