// A device that is deleted while it speaks: in one turn the hub forgets it everywhere, and its next message makes a new one.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { unbounded } from '../../devices/permissions.ts'
import { systemClock } from '../../hub/clock.ts'
import { Metrics } from '../../hub/metrics.ts'
import { Devices } from '../../hub/routing/devices.ts'
import { removeDevice } from '../../hub/routing/removal.ts'
import { Retained } from '../../hub/routing/retained.ts'
import { Router } from '../../hub/routing/router.ts'
import { TopicTree } from '../../hub/routing/topic-tree.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder } from '../kit/hub.ts'
import { pointsOf, stored } from '../store/kit.ts'

/** The parts of a hub that a message meets before it is on disk. */
async function parts(t: TestContext, folder = newFolder(t)) {
  const store = await openSqliteStore({ folder, durability: 'batched', clock: systemClock })
  atEnd(t, () => store.close())
  const devices = new Devices(
    store.devicesAtStart,
    store.journal,
    systemClock,
    { onDeviceCreated: () => {}, onDeviceRemoved: () => {} },
    store.lastDeviceAtStart,
  )
  const retained = new Retained()
  for (const message of store.retainedAtStart) retained.set(message)
  const router = new Router(new TopicTree(), retained, store.journal, devices, systemClock, new Metrics())
  const publish = (topic: string, text: string, retain = false) => {
    const bytes = Buffer.from(text)
    router.publish(router.routeOf(topic), bytes, 0, bytes.length, {
      qos: 1,
      retain,
      properties: undefined,
      from: undefined,
      permissions: unbounded,
      checked: false,
    })
  }
  const topics = () => retained.match('#', 0).map(({ topic, payload }) => `${topic} ${Buffer.from(payload)}`)
  return { store, devices, retained, publish, topics, remove: (id: string) => removeDevice(id, devices, router, store) }
}

test('a device that is deleted leaves nothing retained, and what it says next is said by a new device', async (t) => {
  const folder = newFolder(t)
  const { store, devices, publish, topics, remove } = await parts(t, folder)
  for (const id of ['pump-1', 'pump-10']) {
    publish(`devices/${id}/telemetry`, '{"ts":1,"values":{"level":1}}')
    publish(`devices/${id}/state`, 'on', true)
    publish(`devices/${id}/deep/er`, 'on', true)
  }
  await stored(store)
  publish('devices/pump-1/state', 'on its way', true)
  publish('devices/pump-1/other', 'on its way', true)
  const number = devices.numberOf('pump-1')
  const removed = remove('pump-1')
  assert.equal(devices.has('pump-1'), false)
  publish('devices/pump-1/telemetry', '{"ts":2,"values":{"level":2}}')
  publish('devices/pump-1/state', 'new', true)
  assert.equal(await removed, true)
  await stored(store)

  assert.ok(devices.numberOf('pump-1') > number)
  const left = ['devices/pump-1/state new', 'devices/pump-10/deep/er on', 'devices/pump-10/state on']
  assert.deepEqual(topics().sort(), left)
  assert.deepEqual(await pointsOf(store, 'pump-1', 'level'), [[2, 2]])
  assert.equal(await remove('nobody'), false)
  await store.close()
  const again = await parts(t, folder)
  assert.deepEqual(again.topics().sort(), left, 'the same after a restart')
})

test('a device whose record is not on disk yet is deleted once it is, and the newest number is not given again', async (t) => {
  const folder = newFolder(t)
  const { store, devices, publish, remove } = await parts(t, folder)
  publish('devices/pump-1/telemetry', '{"ts":1,"values":{"level":1}}')
  const number = devices.numberOf('pump-1')
  assert.equal(await remove('pump-1'), true)
  assert.equal(await store.device('pump-1'), undefined)
  await store.close()
  const again = await parts(t, folder)
  assert.equal(again.devices.count, 0)
  again.publish('devices/pump-1/telemetry', '{"ts":2,"values":{"level":2}}')
  assert.equal(again.devices.numberOf('pump-1'), number + 1)
  await stored(again.store)
  assert.deepEqual(await pointsOf(again.store, 'pump-1', 'level'), [[2, 2]])
})
