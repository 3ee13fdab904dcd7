// Two machines with one client identifier are told, once, with both addresses.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type CloneAlert, Clones } from '../../hub/access/clones.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { TestClient } from '../kit/mqtt.ts'

test('a session taken to and fro between two addresses is told once an hour; one that moves on is not', () => {
  const clock = new HandClock()
  const alerts: CloneAlert[] = []
  const clones = new Clones(clock, (alert) => alerts.push(alert))
  const move = (from: string, to: string) => clones.takenOver('pump-7', 'device/pump-7', from, to)
  for (const [from, to] of [
    ['a', 'a'],
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'b'],
    ['b', 'd'],
  ] as const)
    move(from, to)
  assert.deepEqual(alerts, [])
  for (let turn = 0; turn < 5; turn += 1) {
    move('a', 'b')
    move('b', 'a')
  }
  assert.deepEqual(alerts, [{ clientId: 'pump-7', owner: 'device/pump-7', addresses: ['a', 'b'] }])
  clock.advance(3601)
  for (let turn = 0; turn < 2; turn += 1) {
    move('a', 'b')
    move('b', 'a')
  }
  assert.equal(alerts.length, 2)
  assert.deepEqual(clones.alertOf('pump-7')?.addresses, ['b', 'a'])
  clock.advance(3599)
  move('b', 'a')
  assert.ok(clones.alertOf('pump-7'))
  clock.advance(2)
  assert.equal(clones.alertOf('pump-7'), undefined)
})

test('time between take-overs makes them moves of one device', () => {
  const clock = new HandClock()
  const alerts: CloneAlert[] = []
  const clones = new Clones(clock, (alert) => alerts.push(alert))
  for (let turn = 0; turn < 6; turn += 1) {
    clones.takenOver('van-1', '', turn % 2 === 0 ? 'depot' : 'road', turn % 2 === 0 ? 'road' : 'depot')
    clock.advance(3600)
  }
  assert.deepEqual(alerts, [])
})

async function comeFrom(t: TestContext, hub: TestHub, localAddress: string): Promise<void> {
  const socket = connect({ port: hub.mqttPort, host: '127.0.0.1', localAddress })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  await new TestClient(socket, 5).connect('copied')
}

test('over the wire: the audit log names both', async (t) => {
  const hub = await startHub(t)
  for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2', '127.0.0.1']) await comeFrom(t, hub, address)
  const found = async () => ((await hub.get('/v1/audit?action=client.clone')) as { entries: { target: string; detail: string }[] }).entries
  while ((await found()).length === 0) await new Promise(setImmediate)
  assert.deepEqual(
    (await found()).map(({ target, detail }) => [target, detail]),
    [['client/copied', 'its session is taken in turn from 127.0.0.1 and 127.0.0.2']],
  )
  const shown = async (device: string) => ((await hub.get(`/v1/devices/${device}`)) as { alert: { addresses: string[] } | null }).alert
  for (const device of ['copied', 'alone']) await hub.post(`/v1/devices/${device}/telemetry`, { t: 1 })
  assert.deepEqual((await shown('copied'))?.addresses, ['127.0.0.2', '127.0.0.1'])
  assert.equal(await shown('alone'), null)
})
