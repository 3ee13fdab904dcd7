// MQTT over WebSocket: MQTT 5 and 3.1.1 chapter 6, conventions 4.1. With MQTT.js, which browsers use, and with frames cut by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { after, type TestContext, test } from 'node:test'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { startHub, type TestHub } from '../kit/hub.ts'
import { hubOfFile, moor, refusalsWith } from '../kit/mqtt.ts'

const hub = await hubOfFile()
const kind = { after } as unknown as TestContext
const guarded = await startHub(kind, { allowOrigin: ['https://tools.example'] })
const address = hub.url.replace('http', 'ws')

/** Every path that clients of other hubs come with. */
const paths = ['/mqtt', '/ws', '/', '/$iothub/websocket', '/mqtt?token=x']

async function join(t: TestContext, clientId: string, version: 4 | 5, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`${address}/mqtt`, { clientId, protocolVersion: version, reconnectPeriod: 0, ...options })
  t.after(() => client.end(true))
  return client
}

function message(client: MqttClient): Promise<{ topic: string; text: string; retain: boolean; qos: number }> {
  return new Promise((resolve) => {
    client.once('message', (topic, payload, { retain, qos }) => resolve({ topic, text: payload.toString(), retain, qos }))
  })
}

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`

  test(`a page publishes and subscribes at every QoS ${of}`, async (t) => {
    const page = await join(t, `page-${version}`, version)
    const device = await moor(t, hub, `device-${version}`, version)
    for (const qos of [0, 1, 2] as const) {
      const topic = `07/${version}/${qos}`
      await page.subscribeAsync(topic, { qos })
      const heard = message(page)
      await device.publish(topic, 'from TCP', { qos })
      assert.deepEqual(await heard, { topic, text: 'from TCP', retain: false, qos })
      const echo = message(page)
      await page.publishAsync(topic, 'from WebSocket', { qos })
      assert.equal((await echo).text, 'from WebSocket')
    }
  })

  test(`retained messages and wills work as over TCP ${of}`, async (t) => {
    const topic = `07/${version}/state`
    const page = await join(t, `leaver-${version}`, version, { will: { topic, payload: Buffer.from('offline'), qos: 1, retain: true } })
    await page.publishAsync(topic, 'online', { qos: 1, retain: true })
    const watcher = await moor(t, hub, `watcher-${version}`, version)
    await watcher.subscribe(topic, { qos: 1 })
    assert.deepEqual(await watcher.texts(1), ['online'])
    page.stream.destroy() // without DISCONNECT
    assert.deepEqual(await watcher.texts(1), ['offline'])
    const late = await join(t, `late-${version}`, version)
    const kept = message(late)
    await late.subscribeAsync(topic)
    assert.deepEqual([(await kept).text, (await kept).retain], ['offline', true])
  })

  test(`a large message passes both ways ${of}`, async (t) => {
    const page = await join(t, `large-${version}`, version)
    await page.subscribeAsync('07/large')
    const heard = message(page)
    await page.publishAsync('07/large', 'x'.repeat(200_000), { qos: 1 })
    assert.equal((await heard).text.length, 200_000)
  })
}

// CONNECT with client identifier "ws", SUBSCRIBE to "f", PINGREQ, in MQTT 3.1.1.
const connect = '100e00044d5154540402003c00027773'
const subscribe = '8206000100016600'
const pingreq = 'c000'
const answers = '20020000' + '9003000100' + 'd000'

async function open(t: TestContext, path = '/mqtt', protocol: string | string[] = 'mqtt'): Promise<WebSocket> {
  const socket = new WebSocket(address + path, protocol)
  socket.binaryType = 'arraybuffer'
  t.after(() => socket.close())
  await once(socket, 'open')
  return socket
}

/** Collects what comes until it is as long as expected. */
function collect(socket: WebSocket, bytes: number): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    socket.addEventListener('message', ({ data }) => {
      heard += Buffer.from(data as ArrayBuffer).toString('hex')
      if (heard.length >= bytes * 2) resolve(heard)
    })
  })
}

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))

test('several packets in one frame are all read', async (t) => {
  const socket = await open(t)
  const heard = collect(socket, answers.length / 2)
  socket.send(bytesOf(connect + subscribe + pingreq))
  assert.equal(await heard, answers) // 5: [MQTT-6.0.0-2]  3.1.1: [MQTT-6.0.0-2]
})

test('a packet may be spread over frames, a byte in each', async (t) => {
  const socket = await open(t)
  const heard = collect(socket, answers.length / 2)
  for (const byte of bytesOf(connect + subscribe + pingreq)) socket.send(Uint8Array.of(byte))
  assert.equal(await heard, answers)
})

test('a text frame closes the connection with 1003', async (t) => {
  const refused = await refusalsWith(hub, 'binary-only')
  const socket = await open(t)
  socket.send('hello')
  const [{ code }] = (await once(socket, 'close')) as [CloseEvent]
  assert.equal(code, 1003) // 5: [MQTT-6.0.0-1]  3.1.1: [MQTT-6.0.0-1]
  assert.equal(await refused(), 1)
})

test('a broken packet closes this WebSocket and no other', async (t) => {
  const good = await open(t)
  const bad = await open(t)
  bad.send(bytesOf('0000'))
  await once(bad, 'close')
  const heard = collect(good, 4)
  good.send(bytesOf(connect))
  assert.equal(await heard, '20020000')
})

test('every path of other hubs is served, and the subprotocol that was offered is echoed', async (t) => {
  for (const path of paths) {
    const socket = await open(t, path, ['something', 'mqtt'])
    assert.equal(socket.protocol, 'mqtt', path) // 5: [MQTT-6.0.0-4]
    const heard = collect(socket, 4)
    socket.send(bytesOf(connect))
    assert.equal(await heard, '20020000', path)
    socket.close()
  }
  assert.equal((await open(t, '/mqtt', 'mqttv3.1')).protocol, 'mqttv3.1')
})

/** Asks for an upgrade and returns the answer, whether it is one or a refusal. */
async function upgrade(
  of: TestHub,
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; type: string; body: string }> {
  const asking = request(of.url + path, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      ...headers,
    },
  })
  asking.end()
  return new Promise((resolve, reject) => {
    asking.on('error', reject)
    asking.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode ?? 0, type: '', body: '' })
    })
    asking.on('response', (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body }))
    })
  })
}

test('a subprotocol or a path that is not served is refused with a problem document', async () => {
  const cases = [
    ['/mqtt', { 'sec-websocket-protocol': 'amqp' }, 400, /mqtt or mqttv3\.1/],
    ['/mqtt', {}, 400, /mqtt or mqttv3\.1/],
    ['/elsewhere', { 'sec-websocket-protocol': 'mqtt' }, 404, /\/elsewhere/],
  ] as const
  for (const [path, headers, status, detail] of cases) {
    const answer = await upgrade(hub, path, headers)
    assert.deepEqual([answer.status, answer.type], [status, 'application/problem+json'])
    const problem = JSON.parse(answer.body) as { status: number; detail: string }
    assert.equal(problem.status, status)
    assert.match(problem.detail, detail)
  }
})

test('a page from elsewhere is refused, the hub’s own page and allowed ones are not', async () => {
  const mqtt = { 'sec-websocket-protocol': 'mqtt' }
  const own = guarded.url
  const cases = {
    'https://evil.example': 403,
    null: 403,
    'https://tools.example.evil.example': 403,
    'https://tools.example': 101,
    [own]: 101,
  }
  for (const [origin, status] of Object.entries(cases)) {
    assert.equal((await upgrade(guarded, '/mqtt', { ...mqtt, origin })).status, status, origin)
  }
  assert.equal((await upgrade(guarded, '/mqtt', mqtt)).status, 101, 'a device sends no Origin')
})

test('a browser that was led to this machine under another name is refused, unless it has credentials', async (t) => {
  const { secret } = (await (await hub.post('/v1/devices/rebound/credentials', {})).json()) as { secret: string }
  const headers = { host: 'rebound.example:8080', origin: 'http://rebound.example:8080' }
  const led = { protocolVersion: 5, clientId: 'rebound', reconnectPeriod: 0, wsOptions: { headers } } as const
  await assert.rejects(mqtt.connectAsync(`${address}/mqtt`, { ...led, clientId: 'anybody' }), { code: 0x87 })
  const known = await mqtt.connectAsync(`${address}/mqtt`, { ...led, username: secret })
  t.after(() => known.end(true))
  assert.ok(known.connected)
})
