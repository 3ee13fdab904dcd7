// First contact over MQTT: a device comes by a provisioning key, is told its token on a topic of its own, and comes again by that.
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { IConnectPacket } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { dial, hubOfFile, moor, refusalsWith, type WireName } from '../kit/mqtt.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)

/** A key for so many devices. */
async function newKey(uses = 10, change: object = {}): Promise<string> {
  const response = await hub.post('/v1/provisioning', { pattern: 'new-*', uses, ...change })
  return ((await response.json()) as { secret: string }).secret
}

const byKey = (key: string): Partial<IConnectPacket> => ({ username: 'x', password: Buffer.from(key) })

/** One that is let in by the key. */
async function come(t: TestContext, device: string, key: string, version: 3 | 4 | 5 = 4, wire: WireName = 'TCP') {
  const client = await moor(t, hub, device, version, byKey(key), wire)
  assert.equal(version === 5 ? client.connack.reasonCode : client.connack.returnCode, 0)
  return client
}

const credentialsOf = async (device: string) =>
  ((await hub.get(`/v1/devices/${device}/credentials`)) as { credentials: unknown[] }).credentials.length

describe('a device that comes by a key', () => {
  for (const version of [3, 4, 5] as const)
    for (const wire of ['TCP', 'WebSocket'] as const)
      for (const qos of [0, 1, 2] as const)
        test(`is told its token and sent away (version ${version}, ${wire}, subscribed at QoS ${qos})`, async (t) => {
          const sentAway = await refusalsWith(hub, 'provisioned')
          const device = `new-${version}-${wire}-${qos}`
          const client = await come(t, device, await newKey(), version, wire)
          client.answers = false
          const suback = await client.subscribe(`devices/${device}/credential`, { qos })
          assert.deepEqual(suback.granted, [Math.min(qos, 1)])
          const message = await client.next('publish')
          assert.deepEqual([message.topic, message.qos, message.retain], [`devices/${device}/credential`, Math.min(qos, 1), false])
          const said = JSON.parse(message.payload.toString()) as { device: string; token: string }
          assert.deepEqual(Object.keys(said), ['device', 'token'])
          assert.equal(said.device, device)
          if (qos > 0) {
            await client.ping() // as long as it is not acknowledged, nobody is sent away
            client.acknowledge('puback', message.messageId)
          }
          const goodbye = await client.goodbye()
          if (version === 5) assert.deepEqual([goodbye?.code, /own now/.test(goodbye?.reason ?? '')], [0x98, true])
          assert.equal(await sentAway(), 1)
          const again = await moor(t, hub, device, version, { username: 'x', password: Buffer.from(said.token) }, wire)
          assert.equal(await again.publish(`devices/${device}/telemetry`, '{"t":1}', { qos: 1 }).then((answer) => answer?.cmd), 'puback')
        })

  test('may say all of it at once', async (t) => {
    const client = await dial(t, hub, 4)
    client.sendConnect('new-hasty', byKey(await newKey()))
    client.sendPacket({ cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'devices/new-hasty/credential', qos: 1 }] })
    await client.next('connack')
    assert.match((await client.messages(1))[0]?.payload.toString() ?? '', /"token":"mrg_/)
    await client.closed
  })

  test('leaves no trace: no session, no message, nothing that others hear', async (t) => {
    const listener = await moor(t, hub, 'listener', 5)
    for (const filter of ['#', 'devices/+/credential', 'devices/new-quiet/#']) await listener.subscribe(filter, { qos: 1 })
    const client = await come(t, 'new-quiet', await newKey(), 5)
    await client.subscribe('devices/new-quiet/credential', { qos: 1 })
    const { payload } = await client.next('publish')
    await client.closed
    assert.deepEqual(await listener.leftovers(), [])
    const late = await moor(t, hub, 'late', 5)
    await late.subscribe('devices/+/credential', { qos: 1 })
    assert.deepEqual(await late.leftovers(), [])
    const { messages } = (await hub.get(`/v1/retained?filter=${encodeURIComponent('devices/#')}`)) as { messages: unknown[] }
    assert.deepEqual(messages, [])
    const said = JSON.parse(payload.toString()) as { token: string }
    const again = await moor(t, hub, 'new-quiet', 5, { ...byKey(said.token), clean: false })
    assert.equal(again.connack.sessionPresent, false)
  })

  const refused = {
    publishes: (client: Awaited<ReturnType<typeof come>>) =>
      client.sendPublish('devices/new-else/telemetry', '{"t":1}', { qos: 1, messageId: 1 }),
    'subscribes to something else': (client: Awaited<ReturnType<typeof come>>) =>
      client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'devices/new-else/#', qos: 1 }] }),
    'subscribes to the credential of another': (client: Awaited<ReturnType<typeof come>>) =>
      client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'devices/new-other/credential', qos: 1 }] }),
    unsubscribes: (client: Awaited<ReturnType<typeof come>>) =>
      client.sendPacket({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a'] }),
  }
  for (const [what, act] of Object.entries(refused))
    test(`and ${what}, is closed and gets nothing`, async (t) => {
      const before = await refusalsWith(hub, 'provisioning-refused')
      const client = await come(t, 'new-else', await newKey(), 5)
      act(client)
      assert.equal((await client.goodbye())?.code, 0x87)
      assert.equal(await before(), 1)
      assert.equal(await credentialsOf('new-else'), 0)
    })

  test('and does nothing, is closed when the time to CONNECT is over', async (t) => {
    const key = await newKey()
    const client = await come(t, 'new-silent', key, 5)
    clock.advance(limits.connectSeconds + 2)
    assert.equal((await client.goodbye())?.code, 0x80)
    const again = await come(t, 'new-silent', key, 5)
    await again.subscribe('devices/new-silent/credential')
    await again.next('publish')
  })
})

describe('is not let in', () => {
  const codeOf = async (t: TestContext, device: string, options: Partial<IConnectPacket>) => {
    const client = await dial(t, hub, 5)
    const { reasonCode } = await client.connect(device, options)
    await client.closed
    return reasonCode
  }

  test('a device with credentials, one that the key does not mean, one too many, one with a will', async (t) => {
    const key = await newKey(1)
    await hub.post('/v1/devices/new-known/credentials', {})
    assert.equal(await codeOf(t, 'new-known', byKey(key)), 0x87)
    assert.equal(await codeOf(t, 'other-1', byKey(key)), 0x87)
    assert.equal(await codeOf(t, '', byKey(key)), 0x90)
    assert.equal(await codeOf(t, 'new-small', { ...byKey(key), properties: { maximumPacketSize: 100 } }), 0x82)
    const will = { topic: 'devices/new-will/events/gone', payload: Buffer.from('x'), qos: 0, retain: false } as const
    assert.equal(await codeOf(t, 'new-will', { ...byKey(key), will }), 0x87)
    const first = await come(t, 'new-first', key)
    const second = await come(t, 'new-second', key) // both are promised nothing yet
    await first.subscribe('devices/new-first/credential')
    second.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'devices/new-second/credential', qos: 0 }] })
    await second.closed
    assert.deepEqual([await credentialsOf('new-first'), await credentialsOf('new-second')], [1, 0])
    assert.equal(await codeOf(t, 'new-third', byKey(key)), 0x87)
  })

  test('a key that is wrong, torn or revoked', async (t) => {
    const key = await newKey()
    assert.equal(await codeOf(t, 'new-wrong', byKey(`${key.slice(0, -1)}!`)), 0x86)
    assert.equal(await codeOf(t, 'new-torn', byKey(key.slice(0, -1))), 0x86)
    const { keys } = (await hub.get('/v1/provisioning')) as { keys: { id: string }[] }
    await fetch(`${hub.url}/v1/provisioning/${keys.at(-1)?.id}`, { method: 'DELETE' })
    assert.equal(await codeOf(t, 'new-late', byKey(key)), 0x86)
  })
})
