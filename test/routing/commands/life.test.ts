// The life of a command: kept, sent, acknowledged, answered, or given up, and what an operator sees of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../hub/limits.ts'
import { HandClock } from '../../kit/clock.ts'
import { startHub } from '../../kit/hub.ts'
import { openLive } from '../../kit/live.ts'
import { moor } from '../../kit/mqtt.ts'
import { call, cancel, idIn, look, put, reaches, reply, send, states } from './kit.ts'

const filter = 'devices/pump-7/commands/+'

for (const version of [4, 5] as const) {
  test(`a waiting caller is answered with what the device says (MQTT ${version})`, async (t) => {
    const hub = await startHub(t)
    await put(hub, 'pump-7')
    const pump = await moor(t, hub, 'pump-7', version)
    await pump.subscribe(filter, { qos: 1 })
    const answer = call(hub, 'pump-7', { name: 'stop', params: { speed: 0 } })
    const message = await pump.next('publish')
    const { name, params, expiresAt } = JSON.parse(message.payload.toString()) as Record<string, unknown>
    assert.deepEqual([name, params, typeof expiresAt], ['stop', { speed: 0 }, 'number'])
    if (version === 5) {
      const { responseTopic, correlationData, messageExpiryInterval } = message.properties ?? {}
      assert.equal(responseTopic, `devices/pump-7/replies/${idIn(message)}`)
      assert.deepEqual([correlationData?.toString(), messageExpiryInterval], [idIn(message), limits.commandSeconds])
    }
    await reply(pump, message, { status: 'done', result: { stopped: true } })
    const { status, command } = await answer
    assert.equal(status, 200)
    assert.deepEqual([command.state, command.over, command.result, command.by], ['done', true, { stopped: true }, 'anonymous'])
    assert.deepEqual(states(command), ['queued', 'sent', 'received', 'done'])
    assert.deepEqual(await look(hub, command), command, 'what was answered is what is on disk')
  })
}

test('it is received when the device has acknowledged it, not when somebody else has, and not before', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7')
  const observer = await moor(t, hub, 'observer')
  pump.answers = false
  await pump.subscribe(filter, { qos: 1 })
  await observer.subscribe('devices/+/commands/#', { qos: 1 })
  const command = await send(hub, 'pump-7', { name: 'stop' })
  const { messageId } = await pump.next('publish')
  await observer.next('publish')
  await observer.settle()
  assert.deepEqual(states(await look(hub, command)), ['queued', 'sent'])
  pump.acknowledge('puback', messageId)
  assert.deepEqual(states(await reaches(hub, command, 'received')), ['queued', 'sent', 'received'])
})

test('a device that refuses it with a reason code has not received it: the command has failed', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7', 5)
  pump.answers = false
  await pump.subscribe(filter, { qos: 1 })
  const answer = call(hub, 'pump-7', { name: 'stop' })
  pump.acknowledge('puback', (await pump.next('publish')).messageId, 0x99)
  const { command } = await answer
  assert.deepEqual([command.state, command.reason], ['failed', 'its client refused it with 0x99'])
  assert.deepEqual(states(command), ['queued', 'sent', 'failed'])

  const taken = await send(hub, 'pump-7', { name: 'start' })
  pump.acknowledge('puback', (await pump.next('publish')).messageId, 0x10) // no error: nobody else listens
  await reaches(hub, taken, 'received')
})

test('who asks for QoS 2 gets it at QoS 1 and is heard; at QoS 0 only what the device says counts', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7', 'pump-8')
  const [careful, careless] = [await moor(t, hub, 'pump-7'), await moor(t, hub, 'pump-8')]
  await careful.subscribe(filter, { qos: 2 })
  await careless.subscribe('devices/pump-8/commands/+')
  const first = await send(hub, 'pump-7', { name: 'stop' })
  assert.equal((await careful.next('publish')).qos, 1)
  await reaches(hub, first, 'received')
  const second = await send(hub, 'pump-8', { name: 'stop' })
  const message = await careless.next('publish')
  await careless.settle()
  assert.equal((await look(hub, second)).state, 'sent')
  await reply(careless, message, { status: 'received' })
  await reaches(hub, second, 'received')
  await reply(careless, message, { status: 'progress', result: 40 })
  await reply(careless, message, { status: 'failed', reason: 'jammed', result: { at: 41 } })
  const { state, reason, result } = await look(hub, second)
  assert.deepEqual([state, reason, result], ['failed', 'jammed', { at: 41 }])
})

test('a caller whose time is up is told where it stands, and whoever goes away holds nothing', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  await put(hub, 'pump-7')
  const gone = new AbortController()
  const left = fetch(`${hub.url}/v1/devices/pump-7/commands?wait=30`, { method: 'POST', body: '{"name":"go"}', signal: gone.signal })
  const waiting = call(hub, 'pump-7', { name: 'stop' }, 2)
  const listed = async () => ((await hub.get('/v1/commands')) as { commands: unknown[] }).commands.length
  while ((await listed()) < 2);
  gone.abort()
  await assert.rejects(left)
  clock.advance(5)
  const { status, command } = await waiting
  assert.deepEqual([status, command.state, command.over], [202, 'queued', false])
})

test('its time is over: not sent, not acknowledged and not answered are told apart, also of what waits in an outbox', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  await put(hub, 'a', 'b', 'c')
  const [b, c] = [await moor(t, hub, 'b'), await moor(t, hub, 'c')]
  b.answers = false
  await b.subscribe('devices/b/commands/+', { qos: 1 })
  await c.subscribe('devices/c/commands/+', { qos: 1 })
  const commands = await Promise.all(['a', 'b', 'c'].map((device) => send(hub, device, { name: 'stop', expiresInSeconds: 20 })))
  await reaches(hub, commands[2]!, 'received')
  await b.next('publish')
  clock.advance(25)
  const shown = await Promise.all(commands.map((command) => reaches(hub, command, 'expired')))
  assert.deepEqual(
    shown.map(({ reason }) => reason),
    ['not sent', 'not acknowledged', 'no reply'],
  )
  const late = await c.next('publish')
  await reply(c, late, { status: 'done' })
  const after = await look(hub, commands[2]!)
  assert.deepEqual([after.state, after.late?.status], ['expired', 'done'], 'a late reply is noted and changes nothing')
  await reply(c, { topic: `devices/c/commands/${commands[0]!.id}` }, { status: 'done' })
  assert.equal((await look(hub, commands[0]!)).late, null, 'nor may a device speak of what another one was asked')
})

test('a newer command with the same key takes the place of those that are not sent', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const first = await send(hub, 'pump-7', { name: 'set', params: 1, key: 'speed' })
  const other = await send(hub, 'pump-7', { name: 'blink' })
  const second = await send(hub, 'pump-7', { name: 'set', params: 2, key: 'speed' })
  const { state, reason } = await look(hub, first)
  assert.deepEqual([state, reason], ['cancelled', 'superseded'])
  const pump = await moor(t, hub, 'pump-7')
  await pump.subscribe(filter, { qos: 1 })
  assert.deepEqual((await pump.messages(2)).map(idIn), [other.id, second.id])
  await reaches(hub, second, 'received')
  await send(hub, 'pump-7', { name: 'set', params: 3, key: 'speed' })
  assert.equal((await look(hub, second)).state, 'received', 'what the device has goes on')
})

test('what is cancelled is not sent, and is dropped where it waits', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const queued = await send(hub, 'pump-7', { name: 'stop' })
  assert.equal((await cancel(hub, queued)).status, 200)
  assert.equal(((await (await cancel(hub, queued)).json()) as { code: string }).code, 'command-over')
  const pump = await moor(t, hub, 'pump-7', 5, { properties: { receiveMaximum: 1 } })
  pump.answers = false
  await pump.subscribe(filter, { qos: 1 })
  const [sent, waits] = [await send(hub, 'pump-7', { name: 'one' }), await send(hub, 'pump-7', { name: 'two' })]
  const message = await pump.next('publish')
  assert.equal(idIn(message), sent.id)
  await cancel(hub, waits)
  pump.acknowledge('puback', message.messageId)
  assert.deepEqual(await pump.leftovers(), [])
  const { drops } = (await hub.get('/v1/hub')) as { drops: { reason: string; count: number }[] }
  assert.equal(drops.find(({ reason }) => reason === 'outdated')?.count, 1)
  assert.equal((await look(hub, waits)).reason, 'by anonymous')
})

test('more than a few unacknowledged ones are not on their way at a time, and they come in order', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const ids: string[] = []
  for (let n = 0; n < limits.commandsInFlight + 5; n++) ids.push((await send(hub, 'pump-7', { name: `n${n}` })).id)
  const pump = await moor(t, hub, 'pump-7')
  pump.answers = false
  await pump.subscribe(filter, { qos: 1 })
  const first = await pump.messages(limits.commandsInFlight)
  assert.deepEqual(await pump.leftovers(), [])
  for (const { messageId } of first) pump.acknowledge('puback', messageId)
  assert.deepEqual([...first, ...(await pump.messages(5))].map(idIn), ids)
})

test('a metric that comes about makes it effective, and only after the device has said that it is done', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  await put(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7')
  await pump.subscribe(filter, { qos: 1 })
  await pump.publish('devices/pump-7/telemetry', '{"speed":0}', { qos: 1 })
  const until = { metric: 'speed', below: 1, withinSeconds: 30 }
  const answer = call(hub, 'pump-7', { name: 'stop', until }, 60)
  const message = await pump.next('publish')
  await pump.publish('devices/pump-7/telemetry', '{"speed":12}', { qos: 1 })
  await reply(pump, message, { status: 'done', result: 'ok' })
  const done = await look(hub, { id: idIn(message) })
  assert.deepEqual([done.state, done.over], ['done', false])
  await pump.publish('devices/pump-7/telemetry', '{"speed":0.5}', { qos: 1 })
  const { status, command } = await answer
  assert.deepEqual([status, command.state, command.result], [200, 'effective', 'ok'])
  assert.deepEqual(states(command), ['queued', 'sent', 'received', 'done', 'effective'])

  const second = await send(hub, 'pump-7', { name: 'stop', until: { metric: 'speed', above: 100, withinSeconds: 30 } })
  await reply(pump, await pump.next('publish'), { status: 'done' })
  clock.advance(35)
  assert.equal((await reaches(hub, second, 'failed')).reason, 'it did not take effect in time')
})

test('each step is pushed to those who watch the device', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const viewer = await openLive(t, hub)
  viewer.watch('pump-7')
  const seen = async (state: string) => {
    const frame = await viewer.frames.next(({ commands }) => commands?.[0]?.state === state, state)
    return frame.commands?.[0]
  }
  const { id } = await send(hub, 'pump-7', { name: 'stop' })
  assert.deepEqual({ ...(await seen('queued')), at: 0 }, { id, device: 'pump-7', name: 'stop', state: 'queued', at: 0 })
  const pump = await moor(t, hub, 'pump-7')
  await pump.subscribe(filter, { qos: 1 })
  await seen('received')
  await reply(pump, await pump.next('publish'), { status: 'done', result: 7 })
  assert.equal((await seen('done'))?.result, 7)
})

test('what somebody else publishes as a command or a reply is a message like others', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const [pump, somebody] = [await moor(t, hub, 'pump-7'), await moor(t, hub, 'somebody')]
  await pump.subscribe(filter, { qos: 1 })
  await somebody.subscribe('devices/pump-7/replies/+', { qos: 1 })
  await somebody.publish('devices/pump-7/commands/mine', 'text', { qos: 1 })
  assert.equal((await pump.next('publish')).payload.toString(), 'text')
  await pump.publish('devices/pump-7/replies/mine', 'done', { qos: 1 })
  assert.equal((await somebody.next('publish')).payload.toString(), 'done')
  assert.deepEqual(await hub.get('/v1/commands'), { commands: [], next: null })
})

test('a state that the device reports makes it effective, also one that it has reported before', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7')
  await pump.subscribe(filter, { qos: 1 })
  const until = { reported: 'valve.open', equals: true }
  const answer = call(hub, 'pump-7', { name: 'open', until }, 60)
  const message = await pump.next('publish')
  await pump.publish('devices/pump-7/state/reported', '{"valve":{"open":false}}', { qos: 1 })
  await reply(pump, message, { status: 'done' })
  assert.equal((await look(hub, { id: idIn(message) })).state, 'done')
  await pump.publish('devices/pump-7/state/reported', '{"valve":{"open":true}}', { qos: 1 })
  assert.equal((await answer).command.state, 'effective')

  const again = call(hub, 'pump-7', { name: 'open', until }, 60)
  await reply(pump, await pump.next('publish'), { status: 'done' })
  assert.equal((await again).command.state, 'effective')
})

test('a gateway gets the commands of its children, also of one that it is given while it is connected, and answers for them', async (t) => {
  const hub = await startHub(t)
  for (const id of ['gw-1', 'pump-1', 'pump-2']) await put(hub, id)
  const attach = (id: string) => fetch(`${hub.url}/v1/devices/${id}`, { method: 'PATCH', body: '{"gateway":"gw-1"}' })
  await attach('pump-1')
  const waiting = await send(hub, 'pump-2', { name: 'start' })
  const { secret } = (await (await hub.post('/v1/devices/gw-1/credentials', {})).json()) as { secret: string }
  const gateway = await moor(t, hub, 'gw-1', 5, { username: 'gw-1', password: Buffer.from(secret) })
  await gateway.subscribe('devices/+/commands/+', { qos: 1 })

  const answer = call(hub, 'pump-1', { name: 'stop' }, 60)
  await reply(gateway, await gateway.next('publish'), { status: 'done' })
  assert.deepEqual(states((await answer).command), ['queued', 'sent', 'received', 'done'])
  assert.equal((await look(hub, waiting)).state, 'queued')
  await attach('pump-2')
  await reply(gateway, await gateway.next('publish'), { status: 'done' })
  await reaches(hub, waiting, 'done')
  const at = async (id: string) => ((await hub.get(`/v1/devices/${id}`)) as { presence: { at: string; reason?: string } }).presence
  assert.equal((await at('pump-2')).at, 'online')
  await gateway.publish('devices/gw-1/children/pump-2', 'offline', { qos: 1 })
  const { at: stands, reason } = await at('pump-2')
  assert.deepEqual([stands, reason, (await at('pump-1')).at], ['offline', 'gateway-silent', 'online'])
})

test('what makes no sense is refused, and a bound is named', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code
  const post = async (path: string, body: unknown) => codeOf(await hub.post(path, body as object))
  assert.equal(await post('/v1/devices/pump-7/commands', { name: '' }), 'command-invalid')
  assert.equal(await post('/v1/devices/pump-7/commands', { name: 'x', until: { reported: 'valve' } }), 'command-invalid')
  assert.equal(await post('/v1/devices/nobody/commands', { name: 'x' }), 'device-unknown')
  assert.equal(await codeOf(await fetch(`${hub.url}/v1/commands/nothing`)), 'command-unknown')
  assert.equal(await codeOf(await fetch(`${hub.url}/v1/commands/nothing`, { method: 'DELETE' })), 'command-unknown')
  assert.equal(await codeOf(await fetch(`${hub.url}/v1/bulks/nothing`)), 'bulk-unknown')
  const command = await send(hub, 'pump-7', { name: 'x' })
  assert.equal(await post('/v1/publish', { topic: `devices/pump-7/replies/${command.id}`, text: 'yes' }), 'reply-invalid')
  const many = Array.from({ length: limits.commandsPerDevice - 1 }, () => hub.post('/v1/devices/pump-7/commands', { name: 'x' }))
  for (const response of await Promise.all(many)) assert.equal(response.status, 201)
  assert.equal(await post('/v1/devices/pump-7/commands', { name: 'x' }), 'too-many-commands')
})

test('a device that is deleted takes its commands with it, and whoever waits is told', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const waiting = call(hub, 'pump-7', { name: 'stop' })
  const listed = async () => ((await hub.get('/v1/commands')) as { commands: unknown[] }).commands.length
  while ((await listed()) === 0);
  assert.equal((await fetch(`${hub.url}/v1/devices/pump-7`, { method: 'DELETE' })).status, 200)
  const { status, command } = await waiting
  assert.deepEqual([status, command.state, command.reason], [200, 'cancelled', 'the device is deleted'])
  assert.equal(await listed(), 0)
})
