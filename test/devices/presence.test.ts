// From what is known of a device's sessions to the word people see.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neverConnected, type Presence, type PresenceFacts, presenceAfter } from '../../devices/presence.ts'

const wire = { wire: 'mqtt-tcp', address: '10.0.0.7:5000' }

function facts(atMs: number, more: Partial<PresenceFacts> = {}): PresenceFacts {
  return { connection: undefined, rememberedUntilMs: undefined, atMs, reason: undefined, ...more }
}

const online: Presence = { at: 'online', since: 10, ...wire }

test('a device that comes is online, since then, over that wire', () => {
  assert.deepEqual(presenceAfter(neverConnected, facts(10, { connection: wire })), online)
})

test('one connection more or less of one that is online is no news; another one by force is', () => {
  assert.equal(presenceAfter(online, facts(20, { connection: { wire: 'sse', address: 'x' } })), online)
  const other = { wire: 'mqtt-tcp', address: '10.0.0.8:5000' }
  assert.deepEqual(presenceAfter(online, facts(20, { connection: other, reason: 'taken-over' })), {
    at: 'online',
    since: 20,
    reason: 'taken-over',
    ...other,
  })
})

test('without a connection it is away while it is remembered, and offline then; the last wire and its end stay known', () => {
  const away = presenceAfter(online, facts(20, { rememberedUntilMs: 80, reason: 'connection-lost' }))
  assert.deepEqual(away, { at: 'away', since: 20, until: 80, reason: 'connection-lost', ...wire, lastOnlineAt: 20 })
  assert.equal(presenceAfter(away, facts(30, { rememberedUntilMs: 80, reason: 'session-expired' })), away, 'another session expired')
  const offline = presenceAfter(away, facts(80, { reason: 'session-expired' }))
  assert.deepEqual(offline, { at: 'offline', since: 80, reason: 'session-expired', ...wire, lastOnlineAt: 20 })
  assert.equal(presenceAfter(offline, facts(90, { reason: 'session-expired' })), offline)
  assert.deepEqual(presenceAfter(offline, facts(95, { connection: wire })), { at: 'online', since: 95, ...wire })
})

test('one that is not remembered goes from online to offline', () => {
  const offline = presenceAfter(online, facts(20, { reason: 'closed-by-device' }))
  assert.deepEqual(offline, { at: 'offline', since: 20, reason: 'closed-by-device', ...wire, lastOnlineAt: 20 })
})
