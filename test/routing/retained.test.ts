// Retained messages: a filter finds exactly the topics it matches, and what is cleared leaves nothing behind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { Retained } from '../../hub/routing/retained.ts'
import { matches, topicFilter, topicName } from './naive.ts'

const message = (topic: string, payload = 'x', expiresAtMs = Number.POSITIVE_INFINITY): Message => {
  return {
    seq: 1,
    topic,
    payload: Buffer.from(payload),
    qos: 0,
    retain: true,
    properties: undefined,
    atMs: 0,
    expiresAtMs,
    from: undefined,
  }
}

const topicsOf = (messages: readonly Message[]) => messages.map(({ topic }) => topic).sort()

const refusedBy = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

test('a filter finds exactly the retained topics it matches, whatever was set and cleared before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(topicName, fc.boolean()), { maxLength: 20 }), topicFilter, (steps, filter) => {
      const retained = new Retained()
      const expected = new Set<string>()
      for (const [topic, sets] of steps) {
        retained.set(message(topic, sets ? 'x' : ''))
        if (sets) expected.add(topic)
        else expected.delete(topic)
      }
      assert.equal(retained.count, expected.size)
      assert.deepEqual(topicsOf(retained.match(filter, 0)), [...expected].filter((topic) => matches(filter, topic)).sort())
    }),
    { numRuns: 3000 },
  )
})

test('when all are cleared, neither a message nor a byte is left', () => {
  fc.assert(
    fc.property(fc.array(topicName, { maxLength: 20 }), (topics) => {
      const retained = new Retained()
      for (const topic of topics) retained.set(message(topic, 'something'))
      for (const topic of topics) retained.set(message(topic, ''))
      assert.deepEqual([retained.count, retained.bytes], [0, 0])
      assert.deepEqual([...retained.match('#', 0), ...retained.match('$a/#', 0)], [])
    }),
  )
})

test('the newest message of a topic takes the place of the one before', () => {
  const retained = new Retained()
  retained.set(message('a/b', 'one'))
  retained.set(message('a/b', 'three'))
  assert.equal(retained.count, 1)
  assert.equal(retained.bytes, 'a/b'.length + 'three'.length)
  assert.equal(retained.get('a/b')?.payload.toString(), 'three')
  assert.equal(retained.get('a'), undefined)
})

// 5: [MQTT-3.3.2-5]
test('a retained message is found until it expires, and costs nothing after it was looked for in vain', () => {
  const retained = new Retained()
  retained.set(message('a/short', 'x', 1000))
  retained.set(message('a/long', 'x', 2000))
  assert.deepEqual(topicsOf(retained.match('a/#', 999)), ['a/long', 'a/short'])
  assert.deepEqual(topicsOf(retained.match('a/#', 1000)), ['a/long'])
  assert.equal(retained.count, 1)
  assert.deepEqual(retained.match('a/+', 2000), [])
  assert.deepEqual([retained.count, retained.bytes], [0, 0])
})

test('retainedMessages: one topic more is refused; a new message for a known topic, and clearing one, are not', () => {
  const retained = new Retained()
  for (let at = 0; at < limits.retainedMessages; at++) retained.set(message(`t/${at}`))
  assert.throws(() => retained.assertRoomFor('t/new', 1), refusedBy('too-many-retained'))
  retained.assertRoomFor('t/7', 1)
  retained.assertRoomFor('t/new', 0)
  retained.set(message('t/7', ''))
  retained.assertRoomFor('t/new', 1)
})

test('retainedBytes: a message that does not fit any more is refused, also for a topic that has a smaller one', () => {
  const retained = new Retained()
  const large = Buffer.alloc(limits.packetBytes)
  for (let at = 0; retained.bytes + large.length + 10 < limits.retainedBytes; at++) retained.set({ ...message(`t/${at}`), payload: large })
  retained.set(message('t/small'))
  assert.throws(() => retained.assertRoomFor('t/new', large.length), refusedBy('too-many-retained'))
  assert.throws(() => retained.assertRoomFor('t/small', large.length), refusedBy('too-many-retained'))
  retained.assertRoomFor('t/0', large.length) // one as large as the one before takes no more room
})
