// Devices on record: the bound on how many there may be. (How fast they may come: test/mqtt/05-limits.)
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../hub/clock.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { Devices } from '../../hub/routing/devices.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder } from '../kit/hub.ts'

test('devices: one more than the hub keeps on record is refused, the known ones go on', async (t) => {
  const store = await openSqliteStore({ folder: newFolder(t), durability: 'memory', clock: systemClock })
  atEnd(t, () => store.close())
  const onRecord = new Map(Array.from({ length: limits.devices - 1 }, (_, at) => [`d${at}`, at + 1]))
  const created = new Promise<string>((resolve) => {
    const watcher = { onDeviceCreated: (id: string) => resolve(id), onDeviceRemoved: () => {} }
    const devices = new Devices(onRecord, store.journal, systemClock, watcher)
    assert.equal(devices.numberOf('the-last'), limits.devices)
    assert.throws(
      () => devices.numberOf('one-more'),
      (error) => error instanceof Refusal && error.code === 'too-many-devices',
    )
    assert.equal(devices.numberOf('d7'), 8)
  })
  assert.equal(await created, 'the-last')
})
