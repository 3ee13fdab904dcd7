// All sessions together: how many are remembered, for how long, and that a forgotten one leaves nothing behind.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { anybody } from '../kit/principals.ts'
import { makeSessions, silentWire } from '../kit/sessions.ts'

const lasting = (expirySeconds: number) => ({ clean: false, expirySeconds, will: undefined, principal: anybody })
const asked = { qos: 1, noLocal: false, retainAsPublished: false, identifier: undefined } as const

test('sessions: one more is refused; known clients come back, and room is made when one is forgotten', async (t) => {
  const { sessions } = await makeSessions(t, 'memory')
  const connection = silentWire()
  for (let at = 0; at < limits.sessions; at++) {
    const { session } = sessions.open(`c${at}`, connection, lasting(600))
    sessions.leave(session, connection, { publishWill: false, why: 'connection-lost' })
  }
  const isFull = (error: unknown) => error instanceof Refusal && error.code === 'too-many-sessions'
  assert.throws(() => sessions.open('one-more', connection, lasting(0)), isFull)
  const { session, resumed } = sessions.open('c7', connection, lasting(0))
  assert.equal(resumed, true)
  sessions.leave(session, connection, { publishWill: false, why: 'connection-lost' })
  assert.equal(sessions.count, limits.sessions - 1)
  assert.equal(sessions.open('one-more', connection, lasting(0)).resumed, false)
})

test('a session is kept for its own time, at most a week, and leaves neither subscriptions nor bytes behind', async (t) => {
  const { sessions, clock, router } = await makeSessions(t, 'memory')
  const connection = silentWire()
  const { session } = sessions.open('pump-7', connection, lasting(Number.MAX_SAFE_INTEGER))
  session.subscribe('a/#', asked)
  sessions.leave(session, connection, { publishWill: false, why: 'connection-lost' })
  const message = {
    seq: 1,
    topic: 'a',
    payload: Buffer.from('x'),
    qos: 1,
    retain: false,
    properties: undefined,
    atMs: 0,
    expiresAtMs: Number.POSITIVE_INFINITY,
    from: undefined,
  } as const
  for (const match of router.tree.match('a')) match.subscriber.deliver(message, match)
  assert.ok(sessions.outboxBudget.bytes > 0)
  clock.advance(limits.sessionExpirySeconds - 1)
  assert.equal(sessions.count, 1)
  clock.advance(2)
  assert.deepEqual([sessions.count, router.tree.size, sessions.outboxBudget.bytes], [0, 0, 0])
})

test('a connection that was replaced cannot take the session with it when it closes', async (t) => {
  const { sessions } = await makeSessions(t, 'memory')
  const [old, newer] = [silentWire(), silentWire()]
  const { session } = sessions.open('pump-7', old, lasting(600))
  sessions.open('pump-7', newer, lasting(600))
  sessions.leave(session, old, { publishWill: true, why: 'connection-lost' })
  assert.equal(sessions.find('pump-7')?.presence.at, 'online')
  assert.equal(sessions.online, 1)
})
