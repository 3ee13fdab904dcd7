// How much an identity may publish: in numbers with a clock turned by hand, and over the wires.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowance, type AllowanceRates, Allowances } from '../../hub/access/allowance.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'

test('what was not used is saved up to a bound; past it the answer says when to come again', () => {
  const clock = new HandClock()
  const allowance = new Allowance(clock, { messagesPerSecond: 2, bytesPerSecond: undefined, savedMs: 60_000 })
  for (let at = 0; at < 120; at += 1) assert.equal(allowance.take(1_000_000), 0)
  assert.equal(allowance.take(1), 1)
  clock.advance(1)
  assert.deepEqual([allowance.take(1), allowance.take(1), allowance.take(1)], [0, 0, 1])
  clock.advance(3600)
  for (let at = 0; at < 120; at += 1) assert.equal(allowance.take(1), 0)
  assert.ok(allowance.take(1) > 0, 'an hour of silence is worth no more than a minute of it')
})

test('bytes count as well; a message larger than all that can be saved takes all of it', () => {
  const clock = new HandClock()
  const allowance = new Allowance(clock, { messagesPerSecond: undefined, bytesPerSecond: 100, savedMs: 10_000 })
  assert.equal(allowance.take(5000), 0)
  assert.equal(allowance.take(300), 3)
  clock.advance(3)
  assert.equal(allowance.take(300), 0)
})

test('other rates begin with all that may be saved; the same ones change nothing', () => {
  let rates = { messagesPerSecond: 1, bytesPerSecond: undefined, savedMs: 1000 } as AllowanceRates
  const allowances = new Allowances(new HandClock(), () => rates)
  const allowance = allowances.of('device/a')
  assert.deepEqual([allowance?.take(1), allowance?.take(1)], [0, 1])
  assert.equal(allowances.of('device/a')?.take(1), 1)
  rates = { messagesPerSecond: 2, bytesPerSecond: 100, savedMs: 1000 }
  assert.equal(allowances.of('device/a'), allowance)
  assert.deepEqual([allowance?.take(100), allowance?.take(1)], [0, 1])
  rates = { messagesPerSecond: undefined, bytesPerSecond: undefined, savedMs: 1000 }
  assert.equal(allowances.of('device/a'), undefined)
})

test('identities do not share; connections of one do', () => {
  const allowances = new Allowances(new HandClock(), () => ({ messagesPerSecond: 1, bytesPerSecond: undefined, savedMs: 1000 }))
  assert.equal(allowances.of('device/a')?.take(1), 0)
  assert.equal(allowances.of('device/a')?.take(1), 1)
  assert.equal(allowances.of('device/b')?.take(1), 0)
  assert.equal(
    new Allowances(new HandClock(), () => ({ messagesPerSecond: undefined, bytesPerSecond: undefined, savedMs: 1 })).of('device/a'),
    undefined,
  )
})

test('who publishes more is told in the words of the wire, and the page of the device counts it', async (t) => {
  const hub = await startHub(t, { identityRate: 1, identitySavedMs: 3000 })
  const { secret } = (await (await hub.post('/v1/devices/pump-7/credentials', {})).json()) as { secret: string }
  const withToken = { username: 'any', password: Buffer.from(secret) }
  const client = await moor(t, hub, 'pump-7', 5, withToken)
  for (let at = 0; at < 3; at += 1) await client.publish('devices/pump-7/telemetry', `{"t":${at}}`, { qos: 1 })
  client.sendPublish('devices/pump-7/telemetry', '{"t":3}', { qos: 1, messageId: 9 })
  assert.equal((await client.next('disconnect')).reasonCode, 0x96)
  const response = await hub.post('/v1/devices/pump-7/telemetry', { t: 4 }, { authorization: `Bearer ${secret}` })
  assert.deepEqual([response.status, response.headers.has('retry-after')], [429, true])
  assert.equal(((await response.json()) as { code: string }).code, 'rate-exceeded')
  const { refusals } = (await hub.get('/v1/devices/pump-7')) as { refusals: Record<string, number> }
  assert.deepEqual(refusals, { 'rate-exceeded': 2 })
  const anonymous = await moor(t, hub, 'anybody')
  for (let at = 0; at < 10; at += 1) await anonymous.publish('devices/pump-8/telemetry', '{"t":1}', { qos: 1 })
})
