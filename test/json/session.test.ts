// The JSON protocol over a WebSocket: what every wire owes, and what only this one can do.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { newFolder, spawnHub, startHub } from '../kit/hub.ts'
import { dialJson, helloJson, type JsonFrame } from '../kit/json.ts'
import { hubOfFile, moor } from '../kit/mqtt.ts'
import { randomFrom } from '../kit/random.ts'
import { numbersOf, obeysTheContract } from './contract.ts'

await obeysTheContract({ name: 'WebSocket', open: helloJson })

const clock = new HandClock()
const hub = await hubOfFile(clock)

// ── hello ──

test('the welcome says who the client is, what it may count on, and where it goes on from', async (t) => {
  const { welcome } = await helloJson(t, hub)
  assert.match(welcome.client ?? '', /^auto-/)
  assert.deepEqual([welcome.resumed, welcome.expiry, welcome.keepAlive], [false, 0, limits.keepAliveSeconds])
  assert.match(welcome.cursor ?? '', /^\d+\.\d+$/)
  assert.equal(typeof welcome.now, 'number')
  const asked: readonly [object, Partial<JsonFrame>][] = [
    [
      { client: 'bounded', expiry: 1e9 },
      { client: 'bounded', expiry: limits.sessionExpirySeconds },
    ],
    [{ keepAlive: 1 }, { keepAlive: limits.keepAliveSecondsMin }],
    [{ keepAlive: 60 }, { keepAlive: 60 }],
    [{ keepAlive: 86_400 }, { keepAlive: limits.keepAliveSecondsMax }],
  ]
  for (const [members, given] of asked) {
    const client = await helloJson(t, hub, members)
    assert.deepEqual({ ...client.welcome, ...given }, client.welcome)
    await client.leave()
  }
  const again = await helloJson(t, hub, { client: 'bounded', clean: true })
  assert.equal(again.welcome.resumed, false)
})

test('a hello that is torn is refused by a sentence that quotes nothing of it: it is logged, and may hold a token', async (t) => {
  for (const [frame, detail] of [
    ['{"is":"hello","token":mrg_A', 'The frame is refused: it is not JSON.'],
    ['mrg_A', 'The frame is refused: it is not JSON.'],
    ['{"is":"hello","token":"mrg_A', 'The frame is refused: it is not JSON, at position 28.'],
  ] as const) {
    const client = await dialJson(t, hub)
    client.say(frame)
    assert.equal((await client.next(['error'])).detail, detail)
  }
})

test('whoever does not begin with a hello that can be granted is told why, and the socket closes', async (t) => {
  const half = JSON.parse('"\\ud800"') as string
  const refused: readonly [object | string, string, number][] = [
    [{ is: 'ping' }, 'frame-invalid', 1007],
    [{ is: 'welcome' }, 'frame-invalid', 1007],
    ['garbage', 'frame-invalid', 1007],
    ['[]', 'frame-invalid', 1007],
    [{ is: 'hello', client: 7 }, 'frame-invalid', 1007],
    [{ is: 'hello', subscribe: [{}] }, 'frame-invalid', 1007],
    [{ is: 'hello', client: '' }, 'client-id-invalid', 1008],
    [{ is: 'hello', client: 'a\nb' }, 'client-id-invalid', 1008],
    [{ is: 'hello', client: half }, 'client-id-invalid', 1008],
    [{ is: 'hello', client: 'x'.repeat(limits.clientIdBytes + 1) }, 'client-id-invalid', 1008],
    [{ is: 'hello', after: 'yesterday' }, 'cursor-invalid', 1008],
    [{ is: 'hello', subscribe: [{ filter: 'a/#/b' }] }, 'filter-invalid', 1008],
    [{ is: 'hello', subscribe: [{ filter: 'a', since: 'yesterday' }] }, 'since-invalid', 1008],
    [{ is: 'hello', will: { topic: 'a/+', text: '' } }, 'topic-invalid', 1008],
  ]
  for (const [frame, code, ws] of refused) {
    const client = await dialJson(t, hub)
    client.say(frame)
    const error = await client.next('error')
    assert.deepEqual([error.code, error.id], [code, undefined], JSON.stringify(frame))
    const closed = await client.closed
    assert.equal(closed.code, ws, JSON.stringify(frame))
    assert.ok((error.detail ?? '').startsWith(closed.reason))
  }
})

test('a socket on which nobody says hello is closed in time, and a reason that is too long is cut between characters', async (t) => {
  const silent = await dialJson(t, hub)
  clock.advance(limits.connectSeconds + 2)
  assert.equal((await silent.next('error')).code, 'hello-timeout')
  assert.equal((await silent.closed).code, 1008)
  const wordy = await dialJson(t, hub)
  wordy.say({ is: 'hello', after: `${'ö'.repeat(70)}` })
  const { reason } = await wordy.closed
  assert.ok(Buffer.byteLength(reason) <= 123 && Buffer.byteLength(reason) > 119, reason)
  assert.ok(!reason.includes('\ufffd'))
})

test('only the subprotocol of this name is spoken at this address', async (t) => {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/session`, 'mqtt')
  t.after(() => socket.close())
  await once(socket, 'error')
})

// ── publish ──

test('each frame with an id is answered once, publishes in their order, refused ones among them', async (t) => {
  const client = await helloJson(t, hub)
  const watcher = await moor(t, hub, 'watcher of answers')
  await watcher.subscribe('answers/#', { qos: 1 })
  for (let id = 0; id < 500; id++) {
    client.say({ is: 'publish', topic: id % 50 === 7 ? 'answers/+' : 'answers/n', payload: id, qos: id % 3, id })
  }
  const answers: JsonFrame[] = []
  while (answers.length < 500) answers.push(await client.answer())
  assert.deepEqual(
    answers.map(({ is, id }) => [is, id]),
    Array.from({ length: 500 }, (_, id) => [id % 50 === 7 ? 'error' : 'ack', id]),
  )
  const heard = await watcher.texts(490)
  assert.deepEqual(new Set(heard).size, 490)
})

test('a message that cannot be taken is refused by its code, and the session goes on', async (t) => {
  const client = await helloJson(t, hub, { client: 'not a device' })
  const refused: readonly [object, string][] = [
    [{ is: 'publish', topic: 'a/#', text: '' }, 'topic-invalid'],
    [{ is: 'publish', topic: '$SYS/x', text: '' }, 'topic-not-allowed'],
    [{ is: 'publish', topic: 'devices/a b/state', text: '' }, 'device-id-invalid'],
    [{ is: 'publish', topic: 'a', text: 'x'.repeat(limits.packetBytes + 1) }, 'payload-too-large'],
    [{ is: 'publish', topic: 'devices/d1/telemetry', text: 'warm' }, 'telemetry-invalid'],
    [{ is: 'publish', topic: 'a', text: '', base64: '' }, 'frame-invalid'],
    [{ is: 'publish', topic: 'a' }, 'frame-invalid'],
    [{ is: 'subscribe', filter: '$share/g/a' }, 'filter-invalid'],
    [{ is: 'subscribe', filter: 'a', since: '2026-01-31T12:00:00' }, 'since-invalid'],
    [{ is: 'subscribe', filter: 'a', since: true }, 'frame-invalid'],
    [{ is: 'unsubscribe', filter: 'a/#/b' }, 'filter-invalid'],
    [{ is: 'ack', cursor: 'x' }, 'cursor-invalid'],
    [{ is: 'reply', command: 'a/b', status: 'done' }, 'frame-invalid'],
    [{ is: 'reply', command: 'c1', status: 'done' }, 'device-id-invalid'],
    [{ is: 'hello' }, 'frame-invalid'],
    [{ is: 'dance' }, 'frame-invalid'],
  ]
  for (const [frame, code] of refused) assert.equal((await client.ask(frame)).code, code, JSON.stringify(frame).slice(0, 200))
  assert.match((await client.ask({ is: 'subscribe', filter: '$share/g/a' })).detail ?? '', /shared subscriptions are for MQTT/)
  await client.do({ is: 'subscribe', filter: 'large' })
  for (const bytes of [0, 20, 60, 200, 65_000, 66_000, limits.packetBytes]) {
    await client.do({ is: 'publish', topic: 'large', text: 'x'.repeat(bytes) })
    assert.equal((await client.next('message')).text?.length, bytes)
  }
  client.say({ is: 'publish', topic: 'a/#', text: 'without an id there is no answer but the end' })
  assert.equal((await client.next('error')).code, 'topic-invalid')
  assert.equal((await client.closed).code, 1008)
})

test('a reading that is published is telemetry, and a reply is what the device says to a command', async (t) => {
  const device = await helloJson(t, hub, { client: 'press-1' })
  const operator = await moor(t, hub, 'operator of press-1')
  await operator.subscribe('devices/press-1/replies/+', { qos: 1 })
  await device.do({ is: 'publish', topic: 'devices/press-1/telemetry', payload: { bar: 7 } })
  assert.equal((await fetch(`${hub.url}/v1/devices/press-1`)).status, 200)
  await device.do({ is: 'reply', command: 'c1', status: 'failed', result: { why: 'jammed' } })
  const heard = await operator.next('publish')
  assert.deepEqual(
    [heard.topic, heard.qos, heard.payload.toString()],
    ['devices/press-1/replies/c1', 1, '{"status":"failed","result":{"why":"jammed"}}'],
  )
})

test('what is published is not heard by its publisher where it wants nothing of its own', async (t) => {
  const client = await helloJson(t, hub, { subscribe: [{ filter: 'own/a', noLocal: true }, { filter: 'own/b' }] })
  await client.do({ is: 'publish', topic: 'own/a', payload: 1 })
  await client.do({ is: 'publish', topic: 'own/b', payload: 2 })
  assert.deepEqual(numbersOf(await client.leftovers()), [2])
})

test('MQTT and JSON hear one another, at every QoS', async (t) => {
  const json = await helloJson(t, hub, { subscribe: [{ filter: 'both/#' }] })
  const mqtt = await moor(t, hub, 'both', 5)
  await mqtt.subscribe('both/#', { qos: 2, nl: true })
  for (const qos of [0, 1, 2] as const) {
    await mqtt.publish('both/of-mqtt', `${qos}`, { qos })
    const heard = await json.next('message')
    assert.deepEqual([heard.topic, heard.payload, heard.qos], ['both/of-mqtt', qos, qos])
    await json.do({ is: 'publish', topic: 'both/of-json', payload: qos, qos, retain: qos === 1 })
    const { topic, payload, qos: at } = await mqtt.next('publish')
    assert.deepEqual([topic, payload.toString(), at], ['both/of-json', `${qos}`, qos])
    await json.next('message')
  }
  const late = await moor(t, hub, 'late')
  await late.subscribe('both/of-json', { qos: 1 })
  assert.equal((await late.next('publish')).retain, true)
})

// ── a wire that is slow, silent, lost or taken over ──

test('a client that reads slowly loses nothing and holds up nobody: what it has not read stays in the journal', async (t) => {
  const slow = await helloJson(t, hub, { subscribe: [{ filter: 'flood' }] })
  const quick = await helloJson(t, hub, { subscribe: [{ filter: 'flood' }] })
  const publisher = await helloJson(t, hub)
  slow.socket.pause()
  const text = 'x'.repeat(20_000)
  const count = 1000 // some 20 MB, far more than all buffers on the way
  for (let n = 0; n < count; n += 50) {
    for (let at = n; at < n + 50; at++) publisher.say({ is: 'publish', topic: 'flood', payload: [at, text], id: at })
    for (let at = n; at < n + 50; at++) await publisher.next('ack')
  }
  const numberOf = ({ payload }: JsonFrame) => (payload as [number])[0]
  const all = Array.from({ length: count }, (_, n) => n)
  assert.deepEqual((await quick.messages(count)).map(numberOf), all)
  assert.equal(slow.unread.length, 0)
  slow.socket.resume()
  assert.deepEqual((await slow.messages(count)).map(numberOf), all)
  assert.deepEqual(await slow.leftovers(), [])
})

test('a client that is silent is asked, and whoever does not answer is let go of', async (t) => {
  const own = new HandClock()
  const asking = await startHub(t, {}, own)
  const witness = await helloJson(t, asking, { subscribe: [{ filter: 'gone' }] })
  const living = await helloJson(t, asking, { keepAlive: 10 })
  const dead = await dialJson(t, asking, { autoPong: false })
  await dead.hello({ keepAlive: 10, will: { topic: 'gone', text: 'dead' } })
  let asked = 0
  living.socket.on('ping', () => asked++)
  for (let second = 0; second < 60; second++) {
    own.advance(1)
    await witness.ping() // all sockets of this process have had their turn
    if (second === 12) assert.equal(dead.socket.readyState, dead.socket.OPEN)
  }
  assert.equal((await dead.next('error')).code, 'keep-alive-timeout')
  assert.equal((await dead.closed).code, 1008)
  assert.equal((await witness.next('message')).text, 'dead')
  assert.ok(asked >= 4 && asked <= 6, `${asked} pings in a minute at a keep-alive of 10 s`)
  await living.ping()
})

test('the will is published when the wire is lost, after its delay, and withheld at a goodbye', async (t) => {
  const witness = await helloJson(t, hub, { subscribe: [{ filter: 'will/#' }] })
  const will = (name: string, more: object = {}) => ({ will: { topic: `will/${name}`, payload: name, ...more } })
  const lost = await helloJson(t, hub, will('lost'))
  lost.pullCable()
  assert.deepEqual(numbersOf(await witness.messages(1)), ['lost'])
  for (const code of [1000, undefined]) {
    const polite = await helloJson(t, hub, will('polite'))
    polite.socket.close(code)
    await polite.closed
  }
  const away = await helloJson(t, hub, will('away'))
  away.socket.close(1001)
  assert.deepEqual(numbersOf(await witness.messages(1)), ['away'])
  const patient = await helloJson(t, hub, { client: 'patient', expiry: 600, ...will('late', { delay: 20 }) })
  patient.pullCable()
  const hurried = await helloJson(t, hub, will('now'))
  hurried.pullCable()
  assert.deepEqual(numbersOf(await witness.messages(1)), ['now'])
  clock.advance(22)
  assert.deepEqual(numbersOf(await witness.messages(1)), ['late'])
  assert.deepEqual(await witness.leftovers(), [])
})

test('whoever comes with the same client identifier takes the session over, from JSON and from MQTT', async (t) => {
  const client = 'moving'
  const first = await helloJson(t, hub, { client, expiry: 600, subscribe: [{ filter: 'moving' }] })
  const second = await helloJson(t, hub, { client, expiry: 600 })
  assert.equal(second.welcome.resumed, true)
  assert.equal((await first.next('error')).code, 'taken-over')
  assert.equal((await first.closed).code, 4005)
  const publisher = await helloJson(t, hub)
  await publisher.do({ is: 'publish', topic: 'moving', payload: 1 })
  assert.deepEqual(numbersOf(await second.messages(1)), [1])
  const third = await moor(t, hub, client, 5, { clean: false, properties: { sessionExpiryInterval: 600 } })
  assert.equal(third.connack.sessionPresent, false)
  assert.equal((await second.closed).code, 4005)
  const refused = await dialJson(t, hub)
  refused.say({ is: 'hello', client })
  assert.equal((await refused.next('error')).code, 'session-elsewhere')
  assert.equal((await refused.closed).code, 4005)
  await third.ping()
})

test('what is no frame ends the socket with the code that says so', async (t) => {
  const closings: readonly [string | Buffer, string | undefined, number][] = [
    [Buffer.from('{"is":"ping"}'), 'text-only', 1003],
    ['{"is":"ping"', 'frame-invalid', 1007],
    ['"ping"', 'frame-invalid', 1007],
    ['{"is":"dance"}', 'frame-invalid', 1007],
    ['{"is":"ping","id":{}}', 'frame-invalid', 1007],
    [' '.repeat(limits.jsonFrameBytes + 1), undefined, 1009],
  ]
  for (const [bytes, code, ws] of closings) {
    const client = await helloJson(t, hub)
    client.socket.send(bytes)
    assert.equal((await client.closed).code, ws)
    assert.equal(client.unread.find(({ is }) => is === 'error')?.code, code)
  }
})

test('garbage of any kind ends its own socket at most, and always by a code of the specification', async (t) => {
  const witness = await helloJson(t, hub)
  const random = randomFrom(20_260_101)
  const pieces = [
    '{',
    '}',
    '"is":',
    '"publish"',
    '"subscribe"',
    '"hello"',
    ',',
    '"topic":"a"',
    '"filter":"#"',
    '"id":1',
    '[',
    ']',
    '1e999',
    'null',
    '\u0000',
    '"',
  ]
  const whole = [
    { is: 'publish', topic: 'a/b', payload: { deep: [1, { x: null }] }, qos: 1, id: 1 },
    { is: 'subscribe', filter: 'g/#', last: 3, id: 's' },
    { is: 'subscribe', filter: 'g/#', since: 1, id: 's' },
    { is: 'hello', client: 'g', will: { topic: 'a', text: '' }, subscribe: [{ filter: 'g/#' }] },
    { is: 'ack', cursor: '1.1' },
    { is: 'reply', command: 'c', status: 'done', result: 1 },
  ]
  for (let round = 0; round < 150; round++) {
    const client = round % 5 === 0 ? await dialJson(t, hub) : await helloJson(t, hub)
    for (let frame = 0; frame < 20; frame++) {
      if (random(2) === 0) client.say(Array.from({ length: 1 + random(8) }, () => pieces[random(pieces.length)]).join(''))
      else client.say(mutated(JSON.stringify(whole[random(whole.length)]), random))
    }
    client.socket.close(1000)
    const { code } = await client.closed
    assert.ok([1000, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1013, 4005].includes(code), `${code}`)
    assert.notEqual(client.unread.find(({ is }) => is === 'error')?.code, 'internal-error')
  }
  await witness.do({ is: 'publish', topic: 'still/alive', payload: true })
})

function mutated(text: string, random: (below: number) => number): string {
  const bytes = [...text]
  for (let change = random(3); change > 0; change--) bytes[random(bytes.length)] = String.fromCharCode(32 + random(300))
  return bytes.join('')
}

test('a hub that stops says so to everyone, with 1012', async (t) => {
  const stopping = await startHub(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => helloJson(t, stopping)))
  const unsaid = await dialJson(t, stopping)
  await stopping.stop()
  for (const client of [...clients, unsaid]) {
    assert.equal((await client.next('error')).code, 'shutting-down')
    assert.equal((await client.closed).code, 1012)
  }
})

test('whoever has seen an ack finds the message after kill -9, and goes on behind it without a gap and without a duplicate', async (t) => {
  const folder = newFolder(t)
  const subscribe = [{ filter: 'n' }]
  const seen: JsonFrame[] = []
  let next = 0
  for (let life = 0; life < 4; life++) {
    const own = await spawnHub(t, folder)
    const after = seen.at(-1)?.cursor
    const reader = await helloJson(t, own, after === undefined ? { subscribe } : { after, subscribe })
    const publisher = await helloJson(t, own)
    const acked = next + 60
    for (let n = next; n < acked + 40; n++) publisher.say({ is: 'publish', topic: 'n', payload: n, id: n })
    while (next < acked) next = ((await publisher.next('ack')).id as number) + 1
    seen.push(...(await reader.messages(5)))
    const died = reader.closed
    await own.kill()
    await died
    seen.push(...reader.unread.filter(({ is }) => is === 'message'))
    for (const { is, id } of publisher.unread) if (is === 'ack') next = (id as number) + 1
    // What was stored and not answered is not sent again here: the next number is the one behind whatever the journal has.
    const stored = await lastStored(t, folder)
    assert.ok(stored >= next, `${next} were answered and ${stored} are there`)
    next = stored
  }
  const own = await spawnHub(t, folder)
  const reader = await helloJson(t, own, { after: seen.at(-1)?.cursor, subscribe })
  seen.push(...(await reader.leftovers()))
  assert.deepEqual(
    numbersOf(seen),
    Array.from({ length: next }, (_, n) => n),
  )
})

/** How many numbers the journal has. */
async function lastStored(t: TestContext, folder: string): Promise<number> {
  const own = await spawnHub(t, folder)
  const reader = await helloJson(t, own, { subscribe: [{ filter: 'n', last: 1 }] })
  const { payload } = await reader.next('message')
  await own.stop()
  return (payload as number) + 1
}
