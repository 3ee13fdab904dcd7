// What a slow or absent client is owed: in order, within bounds, and every byte accounted for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { QoS } from '../../devices/message.ts'
import { limits } from '../../hub/limits.ts'
import { Metrics } from '../../hub/metrics.ts'
import type { Delivery } from '../../hub/session/connection.ts'
import { Outbox } from '../../hub/session/outbox.ts'

function delivery(name: string, qos: QoS, bytes = 1): Delivery {
  const payload = Buffer.alloc(bytes)
  const message = {
    seq: 0,
    topic: name,
    payload,
    qos,
    retain: false,
    properties: undefined,
    atMs: 0,
    expiresAtMs: Number.POSITIVE_INFINITY,
    from: undefined,
  }
  return { message, qos, retain: false, identifiers: undefined, place: 0 }
}

function makeOutbox(budget = { bytes: 0 }) {
  const metrics = new Metrics()
  return { metrics, budget, outbox: new Outbox(budget, metrics) }
}

function takeAll(outbox: Outbox): string[] {
  const names: string[] = []
  for (let next = outbox.take(); next !== undefined; next = outbox.take()) names.push(next.message.topic)
  return names
}

test('what is owed comes out in the order it went in, and costs nothing afterwards', () => {
  const step = fc.oneof(fc.constant('take' as const), fc.constantFrom<QoS>(0, 1, 2))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const { outbox, budget } = makeOutbox()
      const expected: string[] = []
      for (const [at, step] of steps.entries()) {
        if (step === 'take') assert.equal(outbox.take()?.message.topic, expected.shift())
        else if (outbox.push(delivery(`${at}`, step))) expected.push(`${at}`)
        assert.equal(outbox.count, expected.length)
        assert.equal(outbox.peek()?.message.topic, expected[0])
      }
      assert.deepEqual(takeAll(outbox), expected)
      assert.deepEqual([outbox.count, outbox.bytes, budget.bytes], [0, 0, 0])
    }),
  )
})

test('at the bound the oldest QoS 0 gives way; when there is none, the newest is not taken', () => {
  const { outbox, metrics } = makeOutbox()
  outbox.push(delivery('first', 1))
  outbox.push(delivery('old at QoS 0', 0))
  outbox.push(delivery('young at QoS 0', 0))
  for (let at = outbox.count; at < limits.outboxMessages; at++) outbox.push(delivery(`${at}`, 1))
  assert.equal(outbox.push(delivery('second last', 1)), true)
  assert.equal(outbox.push(delivery('last', 0)), true)
  assert.equal(metrics.messagesDropped, 2)
  assert.equal(outbox.push(delivery('one more', 1)), true, 'the last, at QoS 0, gives way')
  assert.equal(outbox.push(delivery('too many', 1)), false)
  assert.equal(metrics.messagesDropped, 4)
  const names = takeAll(outbox)
  assert.equal(names.length, limits.outboxMessages)
  assert.deepEqual([names[0], names.at(-2), names.at(-1)], ['first', 'second last', 'one more'])
  assert.equal(
    names.some((name) => name.includes('QoS 0')),
    false,
  )
})

test('outboxBytes: the bytes of one outbox are bounded', () => {
  const { outbox } = makeOutbox()
  let taken = 0
  while (outbox.push(delivery('large', 1, limits.packetBytes))) taken++
  assert.ok(outbox.bytes <= limits.outboxBytes)
  assert.equal(taken, Math.floor(limits.outboxBytes / (limits.packetBytes + 105)))
  assert.equal(outbox.push(delivery('small', 1)), true, 'what still fits is taken')
})

test('outboxBytesAll: the bytes of all outboxes together are bounded, and room in one is room for all', () => {
  const budget = { bytes: 0 }
  const many = Array.from({ length: limits.outboxBytesAll / limits.outboxBytes + 8 }, () => makeOutbox(budget).outbox)
  for (const outbox of many) while (outbox.push(delivery('large', 1, limits.packetBytes)));
  assert.ok(budget.bytes <= limits.outboxBytesAll)
  assert.ok(budget.bytes > limits.outboxBytesAll - limits.packetBytes - 200)
  assert.equal(many.at(-1)?.count, 0, 'the last one came too late')
  many[0]?.clear()
  assert.equal(many.at(-1)?.push(delivery('large', 1, limits.packetBytes)), true)
  for (const outbox of many) outbox.clear()
  assert.equal(budget.bytes, 0)
})

test('a client that is away is owed nothing at QoS 0', () => {
  const { outbox, budget } = makeOutbox()
  for (const [at, qos] of ([0, 1, 0, 2, 0] as const).entries()) outbox.push(delivery(`${at}`, qos))
  outbox.dropQoS0()
  assert.deepEqual(takeAll(outbox), ['1', '3'])
  assert.equal(budget.bytes, 0)
})

test('what an earlier run left on disk counts against every bound, comes out first, and costs nothing afterwards', () => {
  const { outbox, budget, metrics } = makeOutbox()
  outbox.expect(limits.outboxMessages - 1, 5000)
  assert.deepEqual([outbox.count, outbox.bytes, budget.bytes], [limits.outboxMessages - 1, 5000, 5000])
  assert.equal(outbox.push(delivery('new', 1)), true)
  assert.equal(outbox.push(delivery('one more', 1)), false)
  assert.equal(metrics.messagesDropped, 1)
  outbox.restore([delivery('old', 1), delivery('older than new', 2)])
  assert.deepEqual(takeAll(outbox), ['old', 'older than new', 'new'])
  assert.deepEqual([outbox.count, outbox.bytes, budget.bytes], [0, 0, 0])
  outbox.expect(3, 700)
  outbox.clear()
  assert.deepEqual([outbox.count, outbox.bytes, budget.bytes], [0, 0, 0])
})

test('a budget that is on disk alone leaves no room either', () => {
  const { outbox, budget } = makeOutbox()
  makeOutbox(budget).outbox.expect(1, limits.outboxBytesAll)
  assert.equal(outbox.push(delivery('x', 1)), false)
})

test('older deliveries go before all that wait, as far as there is room', () => {
  const { outbox, metrics, budget } = makeOutbox()
  for (let at = 0; at < limits.outboxMessages - 2; at++) outbox.push(delivery(`${at}`, 1))
  outbox.take()
  const taken = outbox.pushFirst([delivery('a', 1), delivery('b', 2), delivery('c', 1), delivery('too many', 1)])
  assert.deepEqual(
    taken.map(({ message }) => message.topic),
    ['a', 'b', 'c'],
  )
  assert.deepEqual([outbox.count, metrics.droppedFor('outbox-full')], [limits.outboxMessages, 1])
  const names = takeAll(outbox)
  assert.deepEqual([names.length, ...names.slice(0, 4)], [limits.outboxMessages, 'a', 'b', 'c', '1'])
  assert.deepEqual([outbox.bytes, budget.bytes], [0, 0])
})
