// hub.conversation: begun by an operator, shown as it goes, riding over what happens to the device's connections.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConversationStatus } from '../../hub/extend/conversations.ts'
import type { ConversationRun } from '../../hub/extend/extension.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { helloJson } from '../kit/json.ts'
import { dial, moor } from '../kit/mqtt.ts'
import { ask } from '../security/kit.ts'
import { type ExtendedHub, eventually, gate, hubWith, Inbox, mine } from './kit.ts'

const talks = (run: ConversationRun<Record<string, unknown>>, options?: { withinSeconds: number }) =>
  mine((h) => h.conversation('talk', run, options))

/** A device on record, and a conversation that has begun. */
async function begin(hub: ExtendedHub, device: string, body: object | string = {}, query = ''): Promise<ConversationStatus> {
  await hub.post(`/v1/devices/${device}/telemetry`, { t: 1 })
  const response = await hub.post(`/v1/devices/${device}/conversations/talk${query}`, body)
  assert.equal(response.status, 202, await response.clone().text())
  return (await response.json()) as ConversationStatus
}

async function list(hub: ExtendedHub, device: string): Promise<readonly ConversationStatus[]> {
  return ((await hub.get(`/v1/devices/${device}/conversations`)) as { conversations: ConversationStatus[] }).conversations
}

async function ended(hub: ExtendedHub, device: string): Promise<ConversationStatus> {
  await eventually('the conversation to end', async () => (await list(hub, device)).every(({ state }) => state !== 'running'))
  return (await list(hub, device))[0] as ConversationStatus
}

const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

test('both sides speak in turn, and the result is shown', async (t) => {
  const hub = await hubWith(t, [
    talks(async (device, input) => {
      await device.send('talk/question', { asks: input['what'] })
      const answer = await device.next<{ is: string }>('talk/answer', { withinSeconds: 10 })
      await device.send('talk/thanks', 'thank you')
      return `${device.id}: ${answer.is}`
    }),
  ])
  const pump = await moor(t, hub, 'pump')
  for (const name of ['question', 'thanks']) await pump.subscribe(`devices/pump/talk/${name}`, { qos: 1 })
  const { id, state, step } = await begin(hub, 'pump', { what: 'weather' })
  assert.deepEqual([state, step], ['running', 'waits for talk/question to be acknowledged'])
  const question = await pump.next('publish')
  assert.deepEqual([question.topic, question.payload.toString()], ['devices/pump/talk/question', '{"asks":"weather"}'])
  await eventually('the next step', async () => (await list(hub, 'pump'))[0]?.step === 'waits for talk/answer')
  await pump.publish('devices/pump/talk/answer', '{"is":"rain"}', { qos: 1 })
  assert.equal((await pump.next('publish')).payload.toString(), 'thank you')
  const over = await ended(hub, 'pump')
  assert.deepEqual([over.id, over.state, over.result, over.by, over.step], [id, 'done', 'pump: rain', 'anonymous', null])
  assert.ok((over.endedAt as number) >= over.startedAt)
})

test('nothing counts as told before the device has acknowledged it', async (t) => {
  const told = new Inbox<string>()
  const hub = await hubWith(t, [
    talks(async (device) => {
      await device.send('talk/one', Buffer.from([1, 2]))
      told.push('one')
    }),
  ])
  const pump = await moor(t, hub, 'pump')
  await pump.subscribe('devices/pump/talk/#', { qos: 1 })
  const operator = await moor(t, hub, 'operator')
  await operator.subscribe('devices/#', { qos: 1 })
  pump.answers = false
  await begin(hub, 'pump')
  const one = await pump.next('publish')
  assert.deepEqual(one.payload, Buffer.from([1, 2]))
  await operator.settle() // it has acknowledged it, and is nobody who could do so for the pump
  assert.deepEqual(told.all, [])
  pump.acknowledge('puback', one.messageId)
  await told.until(1)
})

for (const [how, options] of [
  ['a session that is kept', { clean: false }],
  ['a new session', { clean: true }],
] as const) {
  test(`what was not acknowledged comes again with ${how}, once`, async (t) => {
    const hub = await hubWith(t, [
      talks(async (device) => {
        await device.send('talk/one', 'one')
        await device.send('talk/two', 'two')
        return 'both'
      }),
    ])
    const pump = await moor(t, hub, 'pump', 4, options)
    await pump.subscribe('devices/pump/talk/#', { qos: 1 })
    pump.answers = false
    await begin(hub, 'pump')
    await pump.next('publish')
    pump.pullCable()
    await eventually('the pump to be away', async () => !((await hub.get('/v1/devices/pump')) as { connected: boolean }).connected)
    const again = await dial(t, hub)
    again.answers = false
    await again.connect('pump', options)
    await again.subscribe('devices/pump/talk/#', { qos: 1 })
    const one = await again.next('publish')
    assert.equal(one.payload.toString(), 'one')
    assert.deepEqual(await again.leftovers(), [])
    again.answers = true
    again.acknowledge('puback', one.messageId)
    assert.deepEqual(await again.texts(1), ['two'])
    assert.equal((await ended(hub, 'pump')).result, 'both')
    assert.deepEqual(await again.leftovers(), [])
  })
}

test('a device that was never there yet is told when it comes', async (t) => {
  const hub = await hubWith(t, [talks(async (device) => device.send('talk/hello', 'hello'))])
  await begin(hub, 'pump')
  const pump = await moor(t, hub, 'pump', 5)
  await pump.subscribe('devices/pump/other/#', { qos: 1 })
  await pump.subscribe('devices/pump/talk/+', { qos: 1 })
  assert.deepEqual(await pump.texts(1), ['hello'])
  assert.equal((await ended(hub, 'pump')).state, 'done')
})

test('a device that goes by cursor acknowledges with its cursor', async (t) => {
  const hub = await hubWith(t, [
    talks(async (device) => {
      await device.send('talk/one', 'one')
      return 'acknowledged'
    }),
  ])
  const pump = await helloJson(t, hub, { client: 'pump' })
  await pump.do({ is: 'subscribe', filter: 'devices/pump/talk/#' })
  await begin(hub, 'pump')
  const message = await pump.next('message')
  assert.equal((await list(hub, 'pump'))[0]?.state, 'running')
  pump.say({ is: 'ack', cursor: message.cursor })
  assert.equal((await ended(hub, 'pump')).result, 'acknowledged')
})

test('what the device says before it is asked is kept, in its order, and readings are not', async (t) => {
  const { opened, open } = gate()
  const hub = await hubWith(t, [
    talks(async (device) => {
      await opened
      const texts = []
      for (let n = 0; n < 2; n++) texts.push(await device.next('talk/log', { withinSeconds: 5 }))
      return texts
    }),
  ])
  await begin(hub, 'pump')
  const pump = await moor(t, hub, 'pump')
  for (let n = 0; n < limits.conversationMessages + 10; n++) await pump.publish('devices/pump/telemetry', '{"t":1}', { qos: 1 })
  await pump.publish('devices/pump/talk/log', 'plain text', { qos: 1 })
  await pump.publish('devices/pump/talk/log', '{"a":1}', { qos: 1 })
  open()
  assert.deepEqual((await ended(hub, 'pump')).result, ['plain text', { a: 1 }])
})

test('a device that stays silent ends it, with a sentence', async (t) => {
  const clock = new HandClock()
  const codes = new Inbox<string>()
  const hub = await hubWith(
    t,
    [
      mine((h) => {
        h.conversation('talk', async (device) => {
          await device.next('talk/answer', { withinSeconds: 60 }).catch((error: { code: string }) => codes.push(error.code))
          await device.next('talk/answer', { withinSeconds: 60 })
        })
        h.conversation('tell', (device) => device.send('talk/one', 1, { withinSeconds: 60 }))
        h.conversation('hang', () => new Promise(() => {}), { withinSeconds: 60 })
      }),
    ],
    clock,
  )
  await begin(hub, 'pump')
  for (const name of ['tell', 'hang']) assert.equal((await hub.post(`/v1/devices/pump/conversations/${name}`, '')).status, 202)
  clock.advance(63)
  assert.deepEqual(await codes.until(1), ['device-silent'])
  clock.advance(63)
  await eventually('all to be over', async () => (await list(hub, 'pump')).every(({ state }) => state === 'failed'))
  const errors = Object.fromEntries((await list(hub, 'pump')).map(({ name, error }) => [name, error]))
  assert.deepEqual(errors, {
    talk: 'The device pump did not send talk/answer within 60 s.',
    tell: 'The device pump did not acknowledge talk/one within 60 s.',
    hang: 'the extension mine did not get done with conversation hang within 60 s',
  })
})

test('an operator cancels it; a run that does not listen is left behind', async (t) => {
  const heard = new Inbox<string>()
  const hub = await hubWith(t, [
    talks(async (device, { deaf }, signal) => {
      signal.addEventListener('abort', () => heard.push(String((signal.reason as Error).message)))
      if (deaf === true) await new Promise(() => {})
      else await device.next('talk/never', { withinSeconds: 600 }).catch((error: Error) => heard.push(error.message))
      await device.send('talk/more', 1).catch((error: Error) => heard.push(error.message))
    }),
  ])
  for (const deaf of [true, false]) {
    const { id } = await begin(hub, 'pump', { deaf })
    const response = await fetch(`${hub.url}/v1/devices/pump/conversations/${id}`, { method: 'DELETE' })
    const cancelled = (await response.json()) as ConversationStatus
    assert.deepEqual([response.status, cancelled.state, cancelled.error], [200, 'cancelled', 'anonymous cancelled it'])
    const again = await fetch(`${hub.url}/v1/devices/pump/conversations/${id}`, { method: 'DELETE' })
    assert.equal(await codeOf(again), 'conversation-over')
  }
  await heard.until(4)
  assert.ok(
    heard.all.every((text) => text.endsWith('anonymous cancelled it')),
    heard.all.join('\n'),
  )
  assert.deepEqual((await hub.handler('conversation talk'))['running'], 0)
  const other = await fetch(`${hub.url}/v1/devices/other/conversations/x`, { method: 'DELETE' })
  assert.equal(await codeOf(other), 'conversation-unknown')
  const { entries } = (await ask(hub, 'GET', '/v1/audit')) as { entries: { action: string; target: string; detail: string }[] }
  const audited = entries.filter(({ target }) => target === 'device/pump').map(({ action, detail }) => `${action} ${detail}`)
  assert.deepEqual(audited.sort(), [
    ...['conversation.begin talk', 'conversation.begin talk', 'conversation.cancel talk', 'conversation.cancel talk'],
  ])
})

test('as many run as may, and each device has one of a name', async (t) => {
  const names = Array.from({ length: limits.conversationsPerDevice + 1 }, (_, at) => `talk-${at}`)
  const hub = await hubWith(t, [
    mine((h) => {
      for (const name of names) h.conversation(name, () => new Promise(() => {}))
    }),
  ])
  await hub.post('/v1/devices/pump/telemetry', { t: 1 })
  const answers = []
  for (const name of [...names.slice(0, 1), ...names]) {
    const response = await hub.post(`/v1/devices/pump/conversations/${name}`, '')
    answers.push(response.status === 202 ? 202 : await codeOf(response))
  }
  assert.deepEqual(answers, [202, 'conversation-running', 202, 202, 202, 'too-many-conversations'])
  assert.equal(await codeOf(await hub.post('/v1/devices/pump/conversations/other', '')), 'conversation-unknown')
  assert.equal(await codeOf(await hub.post('/v1/devices/nobody/conversations/talk-0', '')), 'device-unknown')
  await fetch(`${hub.url}/v1/devices/pump`, { method: 'DELETE' })
  assert.deepEqual(await list(hub, 'pump'), [])
})

test('with a query the body is bytes; JSON is kept short', async (t) => {
  const hub = await hubWith(t, [talks(async (_, { bytes, ...rest }) => [bytes instanceof Uint8Array ? bytes.length : bytes, rest])])
  await begin(hub, 'pump', 'x'.repeat(limits.bodyBytes + 1), '?version=2&to=a')
  assert.deepEqual((await ended(hub, 'pump')).result, [limits.bodyBytes + 1, { version: '2', to: 'a' }])
  const long = await hub.post('/v1/devices/pump/conversations/talk', JSON.stringify('x'.repeat(limits.bodyBytes)))
  assert.equal(await codeOf(long), 'body-too-large')
})

test('a throw ends its conversation, is logged with its name and shown; the others go on', async (t) => {
  const hub = await hubWith(t, [
    talks(async (device, { wrong }) => {
      if (wrong === true) throw new Error('the image is for another pump')
      return device.next('talk/answer', { withinSeconds: 60 })
    }),
  ])
  await begin(hub, 'good')
  await begin(hub, 'bad', { wrong: true })
  const { state, error } = await ended(hub, 'bad')
  assert.deepEqual([state, error], ['failed', 'the image is for another pump'])
  const line = hub.lines.lines.find(({ msg }) => msg === 'an extension failed')
  assert.deepEqual([line?.['extension'], line?.['conversation'], line?.['device']], ['mine', 'talk', 'bad'])
  await hub.post('/v1/publish', { topic: 'devices/good/talk/answer', payload: 7 })
  assert.equal((await ended(hub, 'good')).result, 7)
})

test('the hub stops at once, whatever is being talked about', async (t) => {
  const heard = new Inbox<string>()
  const hub = await hubWith(t, [
    talks(async (device, _, signal) => {
      signal.addEventListener('abort', () => heard.push((signal.reason as Error).message))
      await device.send('talk/one', 1)
    }),
  ])
  await begin(hub, 'pump')
  await hub.stop()
  assert.deepEqual(heard.all, ['the extension was removed, or the hub stops'])
})
