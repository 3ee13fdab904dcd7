// Frames that go up beside a stream of events or polls: they reach the session of their client, and are answered when it is on disk.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import pino from 'pino'
import { unbounded } from '../../devices/permissions.ts'
import { systemClock } from '../../hub/clock.ts'
import type { Refusal } from '../../hub/errors.ts'
import { JsonEngine } from '../../hub/json/engine.ts'
import { openSession } from '../../hub/json/hello.ts'
import { onFrame } from '../../hub/json/upward.ts'
import { Metrics } from '../../hub/metrics.ts'
import { Devices } from '../../hub/routing/devices.ts'
import { Retained } from '../../hub/routing/retained.ts'
import { Router } from '../../hub/routing/router.ts'
import { TopicTree } from '../../hub/routing/topic-tree.ts'
import type { FollowingConnection } from '../../hub/session/connection.ts'
import { Sessions } from '../../hub/session/sessions.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { Wheel } from '../../hub/wheel.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder } from '../kit/hub.ts'
import { anybody } from '../kit/principals.ts'

async function makeEngine(t: TestContext): Promise<JsonEngine> {
  const clock = systemClock
  const store = await openSqliteStore({ folder: newFolder(t), durability: 'fsync', clock })
  atEnd(t, () => store.close())
  const [metrics, wheel] = [new Metrics(), new Wheel(clock)]
  atEnd(t, () => wheel.stop())
  const devices = new Devices(new Map(), store.journal, clock, { onDeviceCreated: () => {}, onDeviceRemoved: () => {} })
  const router = new Router(new TopicTree(), new Retained(), store.journal, devices, clock, metrics)
  const sessions = new Sessions(store, router, wheel, clock, metrics, {
    principalOf: () => anybody,
    maySurvive: () => true,
    onTakenOver: () => {},
    onOnline: () => {},
    onSubscribed: () => {},
    onEnded: () => {},
    onAcknowledged: () => {},
    onAway: () => {},
    onExpired: () => {},
  })
  return new JsonEngine({ router, sessions, store, wheel, clock, metrics, log: pino({ level: 'silent' }), authenticate: () => anybody })
}

/** A wire that notes the topics of what it is given. */
function wire() {
  const topics: string[] = []
  const connection: FollowingConnection = {
    follows: true,
    transport: 'sse',
    keepAliveSeconds: 0,
    address: '',
    writable: true,
    pass: ({ topic }) => topics.push(topic),
    gap: () => {},
    close: () => {},
  }
  return { connection, topics }
}

const plain = { clean: false, expiry: 60, after: undefined, subscribe: [], will: undefined }

/** The code of the refusal; undefined once it is on disk. */
function say(engine: JsonEngine, client: string, frame: unknown): Promise<string | undefined> {
  return new Promise((resolve) =>
    onFrame(engine, { clientId: client, principal: anybody }, frame, (refusal: Refusal | undefined) => resolve(refusal?.code)),
  )
}

test('subscribe, unsubscribe, ack and reply reach the session of the client, and are answered when they are on disk', async (t) => {
  const engine = await makeEngine(t)
  const { router, sessions, store } = engine
  const [device, operator] = [wire(), wire()]
  const { session } = openSession(engine, device.connection, { ...plain, client: 'pump-7' }, anybody)
  openSession(
    engine,
    operator.connection,
    {
      ...plain,
      client: 'operator',
      subscribe: [{ is: 'subscribe', filter: 'devices/+/replies/+', since: undefined, last: undefined, retained: false, noLocal: false }],
    },
    anybody,
  )
  sessions.find('operator')?.flush()
  session.flush()

  const before = store.journal.newestSeq
  assert.equal(await say(engine, 'pump-7', { is: 'subscribe', filter: 'a/+' }), undefined)
  assert.ok(store.journal.storedSeq > before, 'it is on disk')
  assert.deepEqual([...session.subscriptions.keys()], ['a/+'])

  const seq = router.publish(router.routeOf('a/1'), Buffer.from('x'), 0, 1, {
    qos: 1,
    retain: false,
    properties: undefined,
    from: undefined,
    permissions: unbounded,
    checked: false,
  })
  assert.equal(await say(engine, 'pump-7', { is: 'reply', command: 'c1', status: 'done' }), undefined)
  assert.deepEqual(device.topics, ['a/1'])
  assert.deepEqual(operator.topics, ['devices/pump-7/replies/c1'])

  assert.equal(await say(engine, 'pump-7', { is: 'ack', cursor: store.cursors.cursorOf(seq) }), undefined)
  assert.equal(session.follower?.acknowledgedSeq, seq)
  assert.equal(await say(engine, 'pump-7', { is: 'unsubscribe', filter: 'a/+' }), undefined)
  assert.equal(session.subscriptions.size, 0)
})

test('a frame for a client without a session is refused, and so is what is no frame for a stream', async (t) => {
  const engine = await makeEngine(t)
  assert.equal(await say(engine, 'nobody', { is: 'subscribe', filter: 'a' }), 'session-unknown')
  assert.equal(await say(engine, 'nobody', { is: 'ack', cursor: '1.1' }), 'session-unknown')
  assert.equal(await say(engine, 'nobody', { is: 'reply', command: 'c1', status: 'done' }), 'session-unknown')
  openSession(engine, wire().connection, { ...plain, client: 'page' }, anybody)
  assert.equal(await say(engine, 'page', { is: 'hello' }), 'frame-invalid')
  assert.equal(await say(engine, 'page', { is: 'dance' }), 'frame-invalid')
  assert.equal(await say(engine, 'page', ['not an object']), 'frame-invalid')
  assert.equal(await say(engine, 'page', { is: 'subscribe', filter: '#/a' }), 'filter-invalid')
  assert.equal(await say(engine, 'page', { is: 'ack', cursor: 'here' }), 'cursor-invalid')
})
