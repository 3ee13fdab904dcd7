// Deliveries that wait for their acknowledgement: identifiers are never used twice at a time, and the order is kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Delivery } from '../../hub/session/connection.ts'
import { Inflight } from '../../hub/session/inflight.ts'

const message = {
  seq: 0,
  topic: 't',
  payload: Buffer.alloc(0),
  qos: 1,
  retain: false,
  properties: undefined,
  atMs: 0,
  expiresAtMs: Number.POSITIVE_INFINITY,
  from: undefined,
} as const
const delivery: Delivery = { message, qos: 1, retain: false, identifiers: undefined, place: 0 }

test('an identifier is from 1 to 65,535, and not given again while it is in use', () => {
  const inflight = new Inflight()
  const stuck = inflight.add(delivery)
  const seen = new Set<number>()
  for (let at = 0; at < 70_000; at++) {
    const id = inflight.add(delivery)
    assert.ok(id >= 1 && id <= 65_535 && id !== stuck) // 5: [MQTT-2.2.1-4]  3.1.1: [MQTT-2.3.1-1]
    seen.add(id)
    inflight.finish(id)
  }
  assert.equal(seen.size, 65_534)
  assert.equal(inflight.count, 1)
})

test('what is unfinished comes again in the order it was first sent', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 100 }), (finished) => {
      const inflight = new Inflight()
      const ids = finished.map(() => inflight.add(delivery))
      for (const [at, id] of ids.entries()) if (finished[at]) assert.equal(inflight.finish(id), delivery)
      const left = ids.filter((_, at) => !finished[at])
      assert.deepEqual(
        [...inflight.entries()].map(([id]) => id),
        left,
      ) // 5: [MQTT-4.6.0-1]
      assert.equal(inflight.count, left.length)
    }),
  )
})

test('an identifier that is not in use has no delivery', () => {
  const inflight = new Inflight()
  assert.equal(inflight.finish(1), undefined)
  assert.equal(inflight.get(1), undefined)
  const id = inflight.add(delivery)
  assert.equal(inflight.get(id)?.delivery, delivery)
  assert.equal(inflight.finish(id), delivery)
  assert.equal(inflight.finish(id), undefined)
})

test('what an earlier run had sent keeps its identifiers, and new ones go on behind them', () => {
  const inflight = new Inflight()
  inflight.restore(65_535, delivery, 'released')
  inflight.restore(1, delivery, 'sent')
  assert.equal(inflight.add(delivery), 2)
  assert.deepEqual(
    [...inflight.entries()].map(([id, { step }]) => [id, step]),
    [
      [65_535, 'released'],
      [1, 'sent'],
      [2, 'sent'],
    ],
  )
})
