// One command to many devices: so many at a time, each with a record of its own, whole or not at all, and on after a restart.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openSqliteStore } from '../../../hub/store/sqlite/open.ts'
import { recordKinds } from '../../../hub/store/store.ts'
import { HandClock } from '../../kit/clock.ts'
import { newFolder, startHub, type TestHub } from '../../kit/hub.ts'
import { moor, type TestClient } from '../../kit/mqtt.ts'
import { cancel, idIn, put, reaches, reply, type Shown, send } from './kit.ts'

interface Bulk {
  readonly id: string
  readonly targets: number
  readonly over: boolean
  readonly counts: Record<string, number>
}

async function sendAll(hub: TestHub, body: object): Promise<Bulk> {
  const response = await hub.post('/v1/commands', body)
  assert.equal(response.status, 201, await response.clone().text())
  return (await response.json()) as Bulk
}

const progress = async (hub: TestHub, { id }: Bulk) => (await hub.get(`/v1/bulks/${id}`)) as Bulk
const targets = async (hub: TestHub, { id }: Bulk) => ((await hub.get(`/v1/commands?bulk=${id}`)) as { commands: Shown[] }).commands

async function fleet(t: TestContext, hub: TestHub, count: number): Promise<TestClient[]> {
  const devices: TestClient[] = []
  for (let n = 0; n < count; n++) {
    const device = await moor(t, hub, `pump-${n}`)
    await device.subscribe(`devices/pump-${n}/commands/+`, { qos: 1 })
    devices.push(device)
  }
  return devices
}

const names = (count: number) => Array.from({ length: count }, (_, n) => `pump-${n}`)

test('commands are counted by their states, and listed by name', async (t) => {
  const hub = await startHub(t)
  await put(hub, ...names(3))
  await sendAll(hub, { devices: names(3), name: 'update' })
  const stop = await send(hub, 'pump-0', { name: 'stop' })
  await cancel(hub, stop)
  const counts = (since: number) => hub.get(`/v1/commands/counts?since=${since}`)
  assert.deepEqual(await counts(0), { open: { queued: 3 }, over: { cancelled: 1 } })
  assert.deepEqual(await counts(Date.now() + 60_000), { open: { queued: 3 }, over: {} })
  const { commands } = (await hub.get('/v1/commands?name=stop&name=start')) as { commands: Shown[] }
  assert.deepEqual(
    commands.map(({ id }) => id),
    [stop.id],
  )
})

test('so many targets are under way at a time, and each that ends lets another go', async (t) => {
  const hub = await startHub(t)
  await put(hub, ...names(5))
  const devices = await fleet(t, hub, 5)
  const bulk = await sendAll(hub, { devices: names(5), name: 'update', params: { to: 2 }, concurrency: 2 })
  assert.equal(bulk.targets, 5)
  const served = new Set<number>()
  const waiting = async () => {
    const got: number[] = []
    for (const [n, device] of devices.entries()) if (!served.has(n) && (await device.leftovers()).length > 0) got.push(n)
    return got
  }
  while (served.size < 5) {
    const got = await waiting()
    assert.ok(got.length >= 1 && got.length <= 2, `${got.length} at a time`)
    for (const n of got) {
      served.add(n)
      await reply(devices[n]!, await devices[n]!.next('publish'), n === 3 ? { status: 'failed', reason: 'no room' } : { status: 'done' })
    }
  }
  const { counts, over } = await progress(hub, bulk)
  assert.deepEqual([counts, over], [{ done: 4, failed: 1 }, true])
  const outcome = (await targets(hub, bulk)).map(({ device, state, reason, params }) => ({ device, state, reason, params }))
  assert.deepEqual(outcome[1], { device: 'pump-3', state: 'failed', reason: 'no room', params: { to: 2 } })
})

test('a group is asked who belongs to it; those that are away get theirs later, also after a restart', async (t) => {
  const folder = newFolder(t)
  const before = await startHub(t, { data: folder })
  await put(before, ...names(4))
  const patch = (id: string, body: object) => fetch(`${before.url}/v1/devices/${id}`, { method: 'PATCH', body: JSON.stringify(body) })
  for (const id of names(3)) await patch(id, { tags: { site: 'north' } })
  await fetch(`${before.url}/v1/groups/north`, { method: 'PUT', body: '{"query":"site=north"}' })
  const [first] = await fleet(t, before, 1)
  const bulk = await sendAll(before, { group: 'north', name: 'update', concurrency: 1 })
  assert.deepEqual((await targets(before, bulk)).map(({ device }) => device).sort(), names(3))
  await reply(first!, await first!.next('publish'), { status: 'done' })
  await before.stop()

  const hub = await startHub(t, { data: folder })
  assert.deepEqual((await progress(hub, bulk)).counts, { done: 1, queued: 2 })
  const devices = await fleet(t, hub, 3)
  const message = await devices[1]!.next('publish')
  assert.deepEqual(await devices[2]!.leftovers(), [], 'one at a time')
  await reply(devices[1]!, message, { status: 'done' })
  await reply(devices[2]!, await devices[2]!.next('publish'), { status: 'done' })
  assert.equal((await progress(hub, bulk)).over, true)
  assert.equal(((await hub.get('/v1/commands?group=north&state=done')) as { commands: unknown[] }).commands.length, 3)
})

test('what is left of a bulk can be cancelled', async (t) => {
  const hub = await startHub(t)
  await put(hub, ...names(3))
  const [device] = await fleet(t, hub, 1)
  const bulk = await sendAll(hub, { devices: names(3), name: 'update' })
  await reply(device!, await device!.next('publish'), { status: 'done' })
  const response = await fetch(`${hub.url}/v1/bulks/${bulk.id}`, { method: 'DELETE' })
  const { counts, over } = (await response.json()) as Bulk
  assert.deepEqual([response.status, counts, over], [200, { done: 1, cancelled: 2 }, true])
})

test('a bulk that died before all its targets were on record is given up at the next start, and none of it is sent', async (t) => {
  const folder = newFolder(t)
  const before = await startHub(t, { data: folder })
  await put(before, 'pump-0')
  const whole = await sendAll(before, { devices: ['pump-0'], name: 'update', concurrency: 1 })
  await before.stop()
  const clock = new HandClock()
  const store = await openSqliteStore({ folder, durability: 'fsync', clock })
  const number = (await store.commands.newest()) + 1
  const record = (device: number, body: object) => store.journal.appendRecord(recordKinds.command, device, '', JSON.stringify(body), false)
  const asked = { name: 'half', params: '{}', by: 'somebody', concurrency: 5, targets: 2 }
  record(0, { is: 'bulk', bulk: { number, ...asked } })
  const command = { number: number + 1, bulk: number, name: 'half', state: 'queued', deadlineMs: clock.now() + 60_000, attempts: 0 }
  record(1, { is: 'made', command: { ...command, attemptsMax: 3, heldBy: 0, seq: 0, trail: [['queued', clock.now()]] } })
  await store.close()

  const hub = await startHub(t, { data: folder })
  const { commands } = (await hub.get('/v1/commands')) as { commands: Shown[] }
  const half = commands.find(({ name }) => name === 'half')
  assert.equal((await reaches(hub, half!, 'cancelled')).reason, 'its bulk was never whole')
  const [device] = await fleet(t, hub, 1)
  const message = await device!.next('publish')
  assert.equal(idIn(message), (await targets(hub, whole))[0]!.id)
  assert.deepEqual(await device!.leftovers(), [])
})

test('whom it is for is said once and is known', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-0')
  const codes: string[] = []
  for (const body of [
    { name: 'x' },
    { name: 'x', devices: [] },
    { name: 'x', devices: ['pump-0'], type: 'pump' },
    { name: 'x', type: 'nothing-like-it' },
    { name: 'x', devices: ['pump-0'], concurrency: 0 },
    { name: 'x', devices: ['stranger'] },
    { name: 'x', group: 'none' },
    { devices: ['pump-0'] },
  ])
    codes.push(((await (await hub.post('/v1/commands', body)).json()) as { code: string }).code)
  assert.deepEqual(codes, [...Array(5).fill('command-invalid'), 'device-unknown', 'group-unknown', 'command-invalid'])
})
