// How often one device may come: whoever reconnects in a loop, or was copied, takes the hub's time from the others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHub } from '../kit/hub.ts'
import { dialJson } from '../kit/json.ts'
import { dial, moor } from '../kit/mqtt.ts'
import { ask, asPassword, giveDevice } from './kit.ts'

test('a device that opens one session after the other is told when it may come again; who is connected stays', async (t) => {
  const hub = await startHub(t, { deviceConnections: 3 })
  const made = await giveDevice(hub, 'pump-7')
  const first = await moor(t, hub, 'pump-7', 5, asPassword(made))
  await moor(t, hub, 'pump-7:b', 4, asPassword(made))
  const third = await dialJson(t, hub)
  await third.hello({ client: 'pump-7:c', token: made.secret })

  const late = await dial(t, hub, 5)
  assert.equal((await late.connect('pump-7', asPassword(made))).reasonCode, 0x9f)
  const older = await dial(t, hub, 4)
  assert.equal((await older.connect('pump-7', asPassword(made))).returnCode, 3)
  const json = await dialJson(t, hub)
  json.socket.send(JSON.stringify({ is: 'hello', client: 'pump-7', token: made.secret }))
  assert.equal((await json.closed).code, 1013)

  await first.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 }) // its session was not taken over
  const { refusals } = (await ask(hub, 'GET', '/v1/devices/pump-7')) as { refusals: Record<string, number> }
  assert.deepEqual(refusals, { 'device-connects-too-often': 3 })
  const other = await giveDevice(hub, 'pump-8')
  await moor(t, hub, 'pump-8', 5, asPassword(other))
  for (let at = 0; at < 5; at += 1) await moor(t, hub, `anybody-${at}`) // without credentials nothing is counted
})

test('its type may let it come more often, and each poll of a session that it has is none', async (t) => {
  const hub = await startHub(t, { deviceConnections: 1 })
  await ask(hub, 'PUT', '/v1/types/pump', { limits: { connectionsPerMinute: 3 } })
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-7', type: 'pump' })
  const made = await giveDevice(hub, 'pump-7')
  const { holds } = (await ask(hub, 'GET', '/v1/devices/pump-7')) as { holds: { limits: { connectionsPerMinute: number } } }
  assert.equal(holds.limits.connectionsPerMinute, 3)
  for (let at = 0; at < 5; at += 1) {
    const poll = `${hub.url}/v1/devices/pump-7/commands?wait=0`
    assert.equal((await fetch(poll, { headers: { authorization: `Bearer ${made.secret}` } })).status, 200)
  }
  for (let at = 0; at < 3; at += 1) assert.equal((await moor(t, hub, 'pump-7:a', 5, asPassword(made))).connack.reasonCode, 0)
  const late = await dial(t, hub, 5)
  assert.equal((await late.connect('pump-7:a', asPassword(made))).reasonCode, 0x9f)
})
