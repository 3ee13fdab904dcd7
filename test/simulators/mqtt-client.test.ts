import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MqttVersion } from '../../simulators/clients/encode.ts'
import { connectMqtt, type MqttClient, type MqttOptions } from '../../simulators/clients/mqtt.ts'
import { MqttSession } from '../../simulators/clients/session.ts'
import { dial } from '../../simulators/clients/wire.ts'
import { type Stub, type StubConnection, startStub } from './stub.ts'

const connack = { '3.1.1': '20 02 00 00', '5': '20 03 00 00 00' }

async function connected(
  t: TestContext,
  options: MqttOptions = {},
  version: MqttVersion = '3.1.1',
): Promise<{ client: MqttClient; server: StubConnection; stub: Stub }> {
  const stub = await startStub(t)
  const connecting = dial(stub.url).then((wire) => connectMqtt(wire, new MqttSession('p', version), options))
  const server = await stub.connection()
  await server.packet()
  server.say(connack[version])
  const client = await connecting
  t.after(() => client.pullCable())
  return { client, server, stub }
}

test('an acknowledgement that arrives in two pieces is one acknowledgement', async (t) => {
  const { client, server } = await connected(t)
  const answered = client.publish('a', 'x')
  assert.equal(await server.packet(), '32060001' + '61' + '0001' + '78')
  server.say('40 02 00')
  await sleep(20)
  server.say('01')
  assert.equal(await answered, 0)
})

test('no more messages are under way than the window allows, and they leave in order', async (t) => {
  const { client, server } = await connected(t, { window: 2 })
  const answers = ['1', '2', '3'].map((payload) => client.publish('a', payload))
  assert.match(await server.packet(), /31$/)
  assert.match(await server.packet(), /32$/)
  await sleep(30)
  assert.equal(server.rest, '')
  server.say('40 02 00 01')
  assert.match(await server.packet(), /000333$/)
  server.say('40 02 00 02 40 02 00 03')
  assert.deepEqual(await Promise.all(answers), [0, 0, 0])
})

test('a server of MQTT 5 lowers the window with its receive maximum', async (t) => {
  const stub = await startStub(t)
  const connecting = dial(stub.url).then((wire) => connectMqtt(wire, new MqttSession('p', '5')))
  const server = await stub.connection()
  await server.packet()
  server.say('20 06 00 00 03 21 00 01')
  const client = await connecting
  const answers = [client.publish('a', '1'), client.publish('a', '2')]
  await server.packet()
  await sleep(30)
  assert.equal(server.rest, '')
  server.say('40 04 00 01 97 00')
  assert.equal(await answers[0], 0x97)
  await server.packet()
  server.say('40 02 00 02')
  assert.equal(await answers[1], 0)
  client.pullCable()
})

test('an acknowledgement that comes late still counts', async (t) => {
  const { client, server } = await connected(t, { ackTimeoutMs: 2000 })
  const answered = client.publish('a', 'x')
  await server.packet()
  await sleep(200)
  server.say('40 02 00 01')
  assert.equal(await answered, 0)
})

test('a message that is never acknowledged ends the connection with a sentence', async (t) => {
  const { client, server } = await connected(t, { ackTimeoutMs: 100 })
  const answered = client.publish('a', 'x')
  await server.packet()
  await assert.rejects(answered, /No answer to a PUBLISH came within 100 ms/)
  assert.match(await client.closed, /No answer to a PUBLISH/)
})

test('acknowledgements out of order, twice or for nothing are violations', async (t) => {
  for (const [sent, answer] of [
    [2, '40 02 00 02'],
    [1, '40 02 00 01 40 02 00 01'],
    [1, '40 02 00 09'],
    [1, '50 02 00 01'],
  ] as const) {
    const { client, server } = await connected(t)
    for (let message = 0; message < sent; message++) client.publish('a', 'x').catch(() => {})
    for (let message = 0; message < sent; message++) await server.packet()
    server.say(answer)
    assert.match(await client.closed, /ProtocolViolation/)
  }
})

test('what a kept session still waits for is sent again with its identifier and the DUP flag', async (t) => {
  const stub = await startStub(t)
  const session = new MqttSession('p')
  const options = { cleanStart: false }
  const first = dial(stub.url).then((wire) => connectMqtt(wire, session, options))
  const server = await stub.connection()
  await server.packet()
  server.say('20 02 00 00')
  const client = await first
  const answers = [client.publish('a', '1'), client.publish('a', '2')]
  assert.equal(await server.packet(), '3206000161000131')
  await server.packet()
  client.pullCable()

  const second = dial(stub.url).then((wire) => connectMqtt(wire, session, options))
  const again = await stub.connection()
  await again.packet()
  again.say('20 02 01 00')
  assert.equal((await second).sessionPresent, true)
  assert.equal(await again.packet(), '3a06000161000131')
  assert.equal(await again.packet(), '3a06000161000232')
  again.say('40 02 00 01 40 02 00 02')
  assert.deepEqual(await Promise.all(answers), [0, 0])
  ;(await second).pullCable()
})

test('a clean session gives up what it waits for when the connection ends', async (t) => {
  const { client, server } = await connected(t)
  const answered = client.publish('a', 'x')
  await server.packet()
  server.socket.destroy()
  await assert.rejects(answered)
})

test('a server that accepts the socket and says nothing is not waited for', async (t) => {
  const stub = await startStub(t)
  const wire = await dial(stub.url)
  await assert.rejects(connectMqtt(wire, new MqttSession('p'), { timeoutMs: 80 }), /No CONNACK came within 80 ms/)
})

test('a server that went silent is noticed by its missing PINGRESP', async (t) => {
  const { client, server } = await connected(t, { keepAliveSeconds: 0.1, timeoutMs: 100 })
  assert.equal(await server.packet(), 'c000')
  assert.match(await client.closed, /No PINGRESP came within 100 ms/)
})

test('a client that went silent neither pings nor answers, and its socket stays open', async (t) => {
  const { client, server } = await connected(t, { keepAliveSeconds: 0.1 })
  client.goSilent()
  server.say('32 07 00 01 61 00 05 68 69')
  await sleep(200)
  assert.equal(server.rest, '')
  assert.equal(server.socket.readyState, 'open')
})

test('messages are acknowledged, and QoS 2 is delivered once', async (t) => {
  const { client, server } = await connected(t)
  server.say('32 07 00 01 61 00 05 68 69')
  assert.equal((await client.next()).payload.toString(), 'hi')
  assert.equal(await server.packet(), '40020005')
  server.say('34 06 00 01 61 00 06 78  3c 06 00 01 61 00 06 78')
  assert.equal((await client.next()).qos, 2)
  assert.equal(await server.packet(), '50020006')
  assert.equal(await server.packet(), '50020006')
  server.say('62 02 00 06')
  assert.equal(await server.packet(), '70020006')
  await assert.rejects(client.next(50), /No message came/)
})

test('a message of QoS 2 goes through its four steps', async (t) => {
  const { client, server } = await connected(t)
  const answered = client.publish('a', 'x', { qos: 2 })
  assert.equal(await server.packet(), '3406000161000178')
  server.say('50 02 00 01')
  assert.equal(await server.packet(), '62020001')
  server.say('70 02 00 01')
  assert.equal(await answered, 0)
})

test('a refused connection names the code', async (t) => {
  const stub = await startStub(t)
  const connecting = dial(stub.url).then((wire) => connectMqtt(wire, new MqttSession('p')))
  const server = await stub.connection()
  await server.packet()
  server.say('20 02 00 05')
  await assert.rejects(connecting, /refused the connection with 0x05/)
})

test('an aborted client lets go of its socket', async (t) => {
  const controller = new AbortController()
  const { client } = await connected(t, { signal: controller.signal })
  controller.abort()
  assert.equal(await client.closed, 'The caller gave up.')
})
