// $SYS as Mosquitto publishes it (conventions 4.2): true figures at every interval, nothing twice, nothing on disk.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { version } from '../../hub/version.ts'
import { HandClock } from '../kit/clock.ts'
import { type InProcessHub, newFolder, startHub } from '../kit/hub.ts'
import { moor, type TestClient } from '../kit/mqtt.ts'

const interval = 10

/** What has been said since the last time, by topic without `$SYS/broker/`. None of it waits for the disk, and a PINGREQ counts as no message. */
async function said(client: TestClient): Promise<Map<string, string>> {
  await client.ping()
  const { length } = client.unread.filter(({ cmd }) => cmd === 'publish')
  const messages = await client.messages(length)
  return new Map(messages.map(({ topic, payload }) => [topic.replace('$SYS/broker/', ''), payload.toString()]))
}

/** A hub that has looked at itself once, and who has heard it: from here on looks are exactly one interval apart. */
async function observed(t: TestContext): Promise<{ hub: InProcessHub; watcher: TestClient; look(): Promise<Map<string, string>> }> {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const watcher = await moor(t, hub, 'watcher')
  await watcher.subscribe('$SYS/#')
  const look = () => {
    clock.advance(interval)
    return said(watcher)
  }
  return { hub, watcher, look }
}

test('who subscribes to $SYS/# hears of the hub at the first interval and not before', async (t) => {
  const { watcher, look } = await observed(t)
  assert.deepEqual(await watcher.leftovers(), [])
  const first = await look()
  assert.equal(first.get('version'), `Mooring version ${version}`)
  assert.match(first.get('uptime') ?? '', /^\d+ seconds$/)
  assert.equal(first.get('clients/connected'), '1')
  assert.equal(first.get('subscriptions/count'), '1')
  assert.ok(Number(first.get('heap/current')) > 1e6)
  assert.ok(Number(first.get('heap/maximum')) >= Number(first.get('heap/current')))
})

test('each figure that exporters for Mosquitto ask for is there and is a number', async (t) => {
  const { look } = await observed(t)
  const first = await look()
  const both = (name: string) => [`${name}/received`, `${name}/sent`]
  const loads = [...both('messages'), 'publish/dropped', ...both('publish'), ...both('bytes'), 'sockets', 'connections']
  const expected = [
    ...['total', 'maximum', 'connected', 'active', 'disconnected', 'inactive', 'expired'].map((name) => `clients/${name}`),
    ...[
      'messages/stored',
      'store/messages/count',
      'store/messages/bytes',
      'subscriptions/count',
      'shared_subscriptions/count',
      'retained messages/count',
    ],
    ...['heap/current', 'heap/maximum', 'connections/socket/count', 'publish/messages/dropped'],
    ...[...both('messages'), ...both('bytes'), ...both('publish/messages')],
    ...loads.flatMap((name) => ['1min', '5min', '15min'].map((window) => `load/${name}/${window}`)),
    ...['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'disconnect'].flatMap((type) => both(`mqtt/${type}`)),
    ...['connect', 'subscribe', 'unsubscribe', 'pingreq', 'auth'].map((type) => `mqtt/${type}/received`),
    ...['connack', 'suback', 'unsuback', 'pingresp'].map((type) => `mqtt/${type}/sent`),
    'mqtt/publish/dropped',
  ]
  for (const topic of expected) assert.match(first.get(topic) ?? 'nothing', /^\d+(\.\d\d)?$/, topic)
  assert.deepEqual([...first.keys()].filter((topic) => !expected.includes(topic)).sort(), ['uptime', 'version'])
})

test('five messages make the counters grow by five, and the loads say how many that is in a minute', async (t) => {
  const { hub, look } = await observed(t)
  const publisher = await moor(t, hub, 'publisher')
  const before = await look()
  for (let count = 0; count < 5; count++) await publisher.publish('t', 'x', { qos: 1 }) // 8 bytes each
  const after = await look()
  const grown = (topic: string) => Number(after.get(topic) ?? before.get(topic)) - Number(before.get(topic))
  assert.equal(grown('publish/messages/received'), 5)
  assert.equal(grown('mqtt/publish/received'), 5)
  assert.equal(grown('mqtt/puback/sent'), 5)
  assert.equal(grown('messages/received'), 5 + 1, 'and the PINGREQ of the watcher')
  assert.equal(grown('bytes/received'), 5 * 8 + 2)
  assert.equal(grown('publish/messages/sent'), before.size, 'what the watcher was told the last time')
  assert.equal(grown('messages/sent'), before.size + 5 + 1)
  // 30 a minute for ten seconds: 30 × (1 − exp(−10 / 60)), and the same for 300 and 900 seconds.
  const load = (figures: Map<string, string>) => ['1min', '5min', '15min'].map((window) => figures.get(`load/publish/received/${window}`))
  assert.deepEqual(load(after), ['4.61', '0.98', '0.33'])
  assert.deepEqual(load(await look()), ['3.90', '0.95', undefined], 'it fades, and 0.33 is still 0.33')
})

test('a figure that has not changed is not said again, and stays for whoever asks later', async (t) => {
  const { hub, look } = await observed(t)
  const first = await look()
  const second = await look()
  for (const topic of ['version', 'clients/total', 'publish/messages/received', 'load/publish/received/1min'])
    assert.equal(second.has(topic), false, topic)
  assert.match(second.get('uptime') ?? '', /seconds$/)
  const late = await moor(t, hub, 'late')
  await late.subscribe('$SYS/broker/+', { qos: 2 })
  const kept = await late.messages(2)
  assert.deepEqual(new Map(kept.map(({ topic, payload }) => [topic.slice(12), payload.toString()])).get('version'), first.get('version'))
  assert.deepEqual(
    kept.map(({ qos, retain }) => [qos, retain]),
    [
      [2, true],
      [2, true],
    ],
  )
})

test('sessions are counted as they come, stay away and expire', async (t) => {
  const { hub, look } = await observed(t)
  const clients = (figures: Map<string, string>) =>
    ['total', 'connected', 'active', 'disconnected', 'inactive', 'maximum', 'expired'].map((name) => figures.get(`clients/${name}`))
  assert.deepEqual(clients(await look()), ['1', '1', '1', '0', '0', '1', '0'])
  const brief = await moor(t, hub, 'brief', 5)
  const lasting = await moor(t, hub, 'lasting', 5, { properties: { sessionExpiryInterval: 15 } })
  await Promise.all([brief.leave(), lasting.leave()])
  assert.deepEqual(clients(await look()), ['2', undefined, undefined, '1', '1', '3', undefined])
  await look()
  await look() // by now it has expired, at the second or the third
  const late = await moor(t, hub, 'late')
  for (const name of ['total', 'disconnected', 'maximum', 'expired']) await late.subscribe(`$SYS/broker/clients/${name}`)
  assert.deepEqual(await late.texts(4), ['1', '0', '3', '1'], 'a session that ends with its connection does not expire')
})

test('what the hub retains of itself is nobody else’s: not counted, not found by #, not by +', async (t) => {
  const { hub, look } = await observed(t)
  const curious = await moor(t, hub, 'curious')
  await curious.subscribe('#', { qos: 1 })
  await curious.subscribe('+/broker/#', { qos: 1 })
  await look()
  await curious.publish('kept', 'of a client', { retain: true, qos: 1 })
  assert.deepEqual(await curious.texts(1), ['of a client'])
  const second = await look()
  assert.equal(second.get('retained messages/count'), '1')
  assert.equal(second.get('messages/stored'), '1')
  assert.equal(second.get('store/messages/bytes'), `${'kept'.length + 'of a client'.length}`)
  const { figures, limits } = (await hub.get('/v1/hub')) as { figures: { retained: number }; limits: { name: string; used: number }[] }
  assert.equal(figures.retained, 1)
  assert.equal(limits.find(({ name }) => name === 'retainedMessages')?.used, 1)
  assert.deepEqual(await curious.leftovers(), []) // 5: [MQTT-4.7.2-1]
})

test('nothing of $SYS is written to disk: after a restart it is there when it is said again', async (t) => {
  const folder = newFolder(t)
  const clock = new HandClock()
  const hub = await startHub(t, { data: folder }, clock)
  const publisher = await moor(t, hub, 'publisher')
  await publisher.publish('kept', 'on disk', { qos: 1, retain: true })
  clock.advance(3 * interval)
  await publisher.subscribe('$SYS/broker/version')
  assert.equal((await publisher.messages(1)).length, 1)
  assert.equal(hub.hub.store.figures().messages, 1, 'the one of the client')
  await hub.stop()

  const restarted = await startHub(t, { data: folder }, clock)
  const asking = await moor(t, restarted, 'asking')
  await asking.subscribe('kept')
  assert.deepEqual(await asking.texts(1), ['on disk'])
  await asking.subscribe('$SYS/broker/version')
  assert.deepEqual(await asking.leftovers(), [])
  clock.advance(interval)
  assert.deepEqual(await asking.texts(1), [`Mooring version ${version}`])
  assert.deepEqual((await restarted.get('/v1/devices')) as { devices: unknown[] }, { devices: [], total: 0, next: null })
})

test('the hub speaks when the wall clock turns to a multiple of the interval', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, { sysIntervalSeconds: 4 }, clock)
  const watcher = await moor(t, hub, 'watcher')
  await watcher.subscribe('$SYS/broker/uptime')
  const intervalNow = () => Math.floor(clock.now() / 4000)
  for (let second = 0, before = intervalNow(); second < 12; second++, before = intervalNow()) {
    clock.advance(1)
    assert.equal((await said(watcher)).size, intervalNow() - before)
  }
})

test('with --sys-interval 0 the hub says nothing of itself', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, { sysIntervalSeconds: 0 }, clock)
  const watcher = await moor(t, hub, 'watcher')
  await watcher.subscribe('$SYS/#')
  clock.advance(60)
  assert.deepEqual(await watcher.leftovers(), [])
})

const installed = spawnSync('mosquitto_sub', ['--help']).error === undefined
const skip = installed ? false : 'mosquitto_sub is not installed (Debian: apt install mosquitto-clients)'

test('mosquitto_sub reads the tree as it reads that of its own broker', { skip, timeout: 10_000 }, async (t) => {
  const { hub, look } = await observed(t)
  const first = await look()
  const child = spawn('mosquitto_sub', ['-p', `${hub.mqttPort}`, '-q', '2', '-t', '$SYS/#', '-C', `${first.size}`, '-F', '%q %r %t %p'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill())
  let heard = ''
  child.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  await once(child, 'close')
  const expected = [...first].map(([topic, text]) => `2 1 $SYS/broker/${topic} ${text}`)
  assert.deepEqual(heard.trimEnd().split('\n').sort(), expected.sort())
})
