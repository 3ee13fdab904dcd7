// What a gateway may do in place of its children, on each wire, and that it is over at once when they are not its own any more.
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import type { IPubackPacket } from 'mqtt-packet'
import { startHub } from '../kit/hub.ts'
import { helloJson } from '../kit/json.ts'
import { allow, answerTo, ask, bearer, deny, giveDevice, type Made, moorAs, putRole, setDisabled } from './kit.ts'

const hub = await startHub({ after } as unknown as TestContext)
const subscribed = { granted: 0, refused: 0x87 }

/** A gateway of this name with children `{name}-a` and `{name}-b`, and `{name}-c` beside them, which is nobody's. */
async function givenGateway(name: string, child: object = {}): Promise<Made> {
  await ask(hub, 'POST', '/v1/devices', { id: name })
  for (const id of ['a', 'b']) await ask(hub, 'POST', '/v1/devices', { id: `${name}-${id}`, gateway: name, ...child })
  await ask(hub, 'POST', '/v1/devices', { id: `${name}-c` })
  return giveDevice(hub, name)
}

async function connected(t: TestContext, name: string, made: Made) {
  const client = await moorAs(t, hub, made, name, 5, { properties: { requestProblemInformation: true } })
  return {
    client,
    async publishes(topic: string): Promise<string> {
      const { reasonCode = 0, properties } = (await client.publish(topic, '{"n":1}', { qos: 1 })) as IPubackPacket
      return `${reasonCode} ${properties?.reasonString ?? ''}`.trim()
    },
    subscribes: async (filter: string) => (await client.subscribe(filter, { qos: 1 })).granted[0] as number,
  }
}

test('a gateway publishes and subscribes for its children, and is told of each other device that it may not speak for it', async (t) => {
  const { client, publishes, subscribes } = await connected(t, 'gw', await givenGateway('gw'))
  for (const topic of ['devices/gw/telemetry', 'devices/gw-a/telemetry', 'devices/gw-b/state/reported', 'devices/gw-b/replies/1'])
    assert.equal(await publishes(topic), '0', topic)
  assert.match(await publishes('devices/gw-c/telemetry'), /^135 gw-c is no child of the gateway/)
  assert.match(await publishes('devices/unheard/telemetry'), /^135 unheard is no child of the gateway/)
  assert.match(await publishes('elsewhere'), /^135 These credentials do not allow/)

  assert.equal(await subscribes('devices/gw-a/commands/+'), 1)
  for (const filter of ['devices/gw-c/commands/+', 'devices/#', '#', '+/+/commands/+', 'devices/+'])
    assert.equal(await subscribes(filter), subscribed.refused, filter)
  assert.equal(await subscribes('devices/+/commands/+'), 1)
  for (const id of ['gw', 'gw-a', 'gw-b', 'gw-c', 'unheard'])
    await ask(hub, 'POST', '/v1/publish', { topic: `devices/${id}/commands/1`, payload: id })
  assert.deepEqual((await client.texts(3)).toSorted(), ['"gw"', '"gw-a"', '"gw-b"'])
  assert.deepEqual(await client.taken(), [])
})

test('what a child may not do itself its gateway may not do in its place, and a deny rule of the gateway holds for its children', async (t) => {
  await putRole(hub, 'meek', allow(['publish'], 'devices/%d/telemetry'), allow(['publish', 'command', 'admin'], 'devices/%d/%t(room)'))
  await ask(hub, 'PUT', '/v1/types/meek', { role: 'meek' })
  await putRole(hub, 'careful', allow(['publish', 'subscribe'], 'devices/%d/#'), deny(['publish'], 'devices/+/state/#'))
  await ask(hub, 'PUT', '/v1/types/careful', { role: 'careful' })
  const made = await givenGateway('strict', { type: 'meek', tags: { room: 'attic' } })
  const { publishes, subscribes } = await connected(t, 'strict', made)
  assert.equal(await publishes('devices/strict-a/telemetry'), '0')
  assert.equal(await publishes('devices/strict-a/attic'), '0')
  assert.match(await publishes('devices/strict-a/events/x'), /^135 /)
  assert.equal(await subscribes('devices/strict-a/commands/+'), subscribed.refused)
  assert.deepEqual(
    await answerTo(hub, 'PATCH', '/v1/devices/strict-a', made, '{}'),
    [403, 'not-allowed'],
    'nobody administers in place of others',
  )
  await ask(hub, 'PATCH', '/v1/devices/strict-a', { tags: { room: 'cellar' } })
  assert.match(await publishes('devices/strict-a/attic'), /^135 /)
  assert.equal(await publishes('devices/strict-a/cellar'), '0')

  await ask(hub, 'PATCH', '/v1/devices/strict-b', { type: null })
  assert.equal(await publishes('devices/strict-b/state/reported'), '0')
  await ask(hub, 'PATCH', '/v1/devices/strict', { type: 'careful' })
  assert.match(await publishes('devices/strict-b/state/reported'), /^135 /)
  assert.equal(await publishes('devices/strict-b/telemetry'), '0')
})

test('a child that is moved, disabled or deleted is not spoken for any more, at once; what is subscribed for the others stays', async (t) => {
  const made = await givenGateway('moves')
  const { client, publishes, subscribes } = await connected(t, 'moves', made)
  await ask(hub, 'POST', '/v1/devices', { id: 'moves-2' })
  const other = await connected(t, 'moves-2', await giveDevice(hub, 'moves-2'))
  for (const filter of ['devices/moves-a/commands/+', 'devices/moves-b/commands/+']) assert.equal(await subscribes(filter), 1)
  const command = (id: string, text: string) => ask(hub, 'POST', '/v1/publish', { topic: `devices/${id}/commands/1`, text })
  await command('moves-a', 'first')
  assert.deepEqual(await client.texts(1), ['first'])
  assert.match(await other.publishes('devices/moves-a/telemetry'), /^135 /)

  await ask(hub, 'PATCH', '/v1/devices/moves-a', { gateway: 'moves-2' })
  assert.match(await publishes('devices/moves-a/telemetry'), /^135 moves-a is no child/)
  assert.equal(await other.publishes('devices/moves-a/telemetry'), '0')
  assert.equal(await other.subscribes('devices/+/commands/+'), 1)
  await command('moves-a', 'moved')
  await command('moves-b', 'stayed')
  assert.deepEqual([await client.texts(1), await other.client.texts(1)], [['stayed'], ['moved']])
  assert.deepEqual(await client.taken(), [])

  await ask(hub, 'PATCH', '/v1/devices/moves-a', { gateway: 'moves' })
  await command('moves-a', 'back')
  assert.deepEqual(await client.texts(1), ['back'], 'the subscription has slept meanwhile')
  assert.deepEqual(await other.client.taken(), [])

  await setDisabled(hub, 'moves-b', true)
  assert.match(await publishes('devices/moves-b/telemetry'), /^135 The device moves-b, which the gateway speaks for, is disabled/)
  await command('moves-b', 'disabled')
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/devices/moves-b/telemetry', made, '{"n":1}'), [403, 'child-disabled'])
  await setDisabled(hub, 'moves-b', false)
  assert.equal(await publishes('devices/moves-b/telemetry'), '0')
  await command('moves-b', 'enabled')
  assert.deepEqual(await client.texts(1), ['enabled'])
  await ask(hub, 'DELETE', '/v1/devices/moves-b')
  assert.match(await publishes('devices/moves-b/telemetry'), /^135 moves-b is no child/)
})

test('what waits for a gateway that is away is not handed out once the child is another gateway’s', async (t) => {
  const made = await givenGateway('sleepy')
  const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
  const before = await moorAs(t, hub, made, 'sleepy', 5, lasting)
  await before.subscribe('devices/+/commands/+', { qos: 1 })
  before.socket.destroy()
  await before.closed
  for (const id of ['a', 'b', 'c']) await ask(hub, 'POST', '/v1/publish', { topic: `devices/sleepy-${id}/commands/1`, text: id })
  await ask(hub, 'PATCH', '/v1/devices/sleepy-c', { gateway: 'sleepy' })
  await ask(hub, 'POST', '/v1/publish', { topic: 'devices/sleepy-c/commands/2', text: 'c2' })
  await ask(hub, 'PATCH', '/v1/devices/sleepy-a', { gateway: null })
  const again = await moorAs(t, hub, made, 'sleepy', 5, lasting)
  assert.deepEqual(await again.texts(2), ['b', 'c2'])
  assert.deepEqual(await again.taken(), [])
})

test('over HTTP and the JSON WebSocket the same credential stands for the children', async (t) => {
  const made = await givenGateway('webby')
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/devices/webby-a/telemetry', made, '{"n":1}'), [200, undefined])
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/devices/webby-c/telemetry', made, '{"n":1}'), [403, 'not-a-child'])
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/devices/webby-b', made), [200, undefined])
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/devices/webby-c', made), [403, 'not-allowed'])
  for (const path of ['/v1/devices', '/v1/telemetry/points', '/v1/latest'])
    assert.equal((await answerTo(hub, 'GET', path, made))[0], 403, `${path} is not narrowed to its children, so it is refused`)
  const lines = ['webby-a', 'webby-c', 'webby-b'].map((id) => JSON.stringify({ topic: `devices/${id}/telemetry`, payload: { n: 2 } }))
  const streamed = await fetch(`${hub.url}/v1/stream`, { method: 'POST', headers: bearer(made), body: `${lines.join('\n')}\n` })
  const answers = (await streamed.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { line?: number; code?: string; stored?: number })
  assert.deepEqual([answers.find(({ line }) => line === 2)?.code, answers.at(-1)?.stored], ['not-a-child', 2])

  const json = await helloJson(t, hub, { client: 'webby', token: made.secret })
  await json.do({ is: 'publish', topic: 'devices/webby-b/events/door', payload: 'open' })
  const refused = await json.ask({ is: 'publish', topic: 'devices/webby-c/events/door', payload: 'open' })
  assert.deepEqual([refused.is, refused.code], ['error', 'not-a-child'])
  await json.do({ is: 'subscribe', filter: 'devices/+/commands/+' })
  for (const id of ['c', 'a']) await ask(hub, 'POST', '/v1/publish', { topic: `devices/webby-${id}/commands/1`, text: id })
  assert.equal((await json.next('message')).topic, 'devices/webby-a/commands/1')
})

test('explain says by what a gateway may do something in place of a child, and why not', async () => {
  const made = await givenGateway('asked')
  const sentence = async (topic: string, action = 'publish') =>
    (
      (await ask(hub, 'GET', `/v1/permissions/explain?device=asked&action=${action}&topic=${encodeURIComponent(topic)}`)) as {
        sentence: string
      }
    ).sentence
  assert.match(
    await sentence('devices/asked-a/telemetry'),
    /^in place of asked-a: allowed by rule 1: publish on devices\/%d\/# \(here devices\/asked-a\/#\)/,
  )
  assert.match(await sentence('devices/asked-c/telemetry'), /; asked-c is no child of this gateway$/)
  assert.match(await sentence('devices/+/commands/+', 'subscribe'), /^allowed to a gateway: /)
  await setDisabled(hub, 'asked-b', true)
  assert.match(await sentence('devices/asked-b/telemetry'), /; asked-b is disabled$/)
  const own = await fetch(`${hub.url}/v1/permissions/explain?action=publish&topic=devices/asked-a/x`, { headers: bearer(made) })
  assert.match(((await own.json()) as { sentence: string }).sentence, /^in place of asked-a/)
})

test('rates count against the gateway, and against the child where its type has some', async (t) => {
  await ask(hub, 'PUT', '/v1/types/slow', { limits: { messagesPerSecond: 1, burstSeconds: 2 } })
  const { client } = await connected(t, 'rated', await givenGateway('rated', { type: 'slow' }))
  for (const id of ['rated-a', 'rated-a', 'rated-a', 'rated-b', 'rated', 'rated', 'rated', 'rated'])
    client.sendPublish(`devices/${id}/telemetry`, '{"n":1}')
  await client.settle()
  const points = async (id: string) => (await hub.get(`/v1/devices/${id}`)) as { refusals: Record<string, number>; latest: object }
  assert.equal((await points('rated')).refusals['rate-exceeded'], 1, 'the third of rated-a, and nothing else')
  assert.ok('n' in (await points('rated-b')).latest)
})
