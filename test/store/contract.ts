// What every database behind the Store interface has to do. Run it over each implementation.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { DeviceChange } from '../../devices/device.ts'
import type { Metadata } from '../../devices/metadata.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { type DeviceQuery, type Durability, frameFlags, type Store } from '../../hub/store/store.ts'
import { changesOf, chartOf, Diary, newFolder, pointsOf, publish, reading, stored } from './kit.ts'

export type OpenStore = (t: TestContext, folder: string, durability?: Durability) => Promise<Store>

export function storeContract(name: string, open: OpenStore): void {
  /** A store with one device, pump-1. */
  async function withPump(t: TestContext, durability?: Durability): Promise<Store> {
    const store = await open(t, newFolder(t), durability)
    store.journal.appendDevice('pump-1', 1)
    return store
  }

  for (const durability of ['fsync', 'batched', 'memory'] as const) {
    test(`${name}, ${durability}: what was stored is there for every read that begins afterwards`, async (t) => {
      const store = await withPump(t, durability)
      const seq = reading(store, 1, { t: 21.5, on: true })
      reading(store, 1, { ts: 1000, values: { t: 20 } })
      assert.equal(await stored(store), seq + 1)

      const device = await store.device('pump-1')
      assert.equal(device?.name, 'pump-1')
      assert.equal(device.latest['t']?.value, 21.5)
      assert.equal(device.latest['on']?.value, true)
      assert.ok(device.lastSeenAt !== null && device.lastSeenAt >= device.createdAt)
      assert.deepEqual(
        (await pointsOf(store, 'pump-1', 't')).map(([, value]) => value),
        [20, 21.5],
      )
      assert.equal(store.durability, durability)
    })
  }

  test(`${name}: sequence numbers grow by one, and waiters are told in the order they came`, async (t) => {
    const store = await withPump(t)
    const diary = new Diary()
    const first = reading(store, 1, { t: 1 })
    store.journal.after(diary, 1)
    assert.equal(reading(store, 1, { t: 2 }), first + 1)
    store.journal.after(diary, 2)
    store.journal.after(diary, 3)
    assert.deepEqual(diary.lines, [])
    await stored(store)
    assert.deepEqual(diary.lines, ['1 stored', '2 stored', '3 stored'])

    store.journal.after(diary, 4)
    assert.deepEqual(diary.lines.at(-1), '4 stored', 'with nothing on the way it is told at once')
  })

  test(`${name}: a waiter that appends and waits again while it is told keeps the order`, async (t) => {
    const store = await withPump(t)
    const diary = new Diary()
    const told: number[] = []
    reading(store, 1, { t: 1 })
    await new Promise<void>((resolve) => {
      const again = {
        stored(token: number) {
          told.push(token)
          if (token !== 1) return
          reading(store, 1, { t: 2 })
          store.journal.after({ stored: () => resolve(), failed: diary.failed }, 3)
        },
        failed: diary.failed,
      }
      store.journal.after(again, 1)
      store.journal.after(again, 2)
    })
    assert.deepEqual(told, [1, 2])
  })

  test(`${name}: messages of one turn share one commit`, async (t) => {
    const store = await withPump(t)
    for (let at = 0; at < 5000; at += 1) reading(store, 1, { ts: at, values: { t: at } })
    await stored(store)
    assert.equal(store.figures().messages, 5000)
    assert.equal(store.figures().commits, 1)
    assert.equal(store.figures().backlogBytes, 0)
    assert.equal((await pointsOf(store, 'pump-1', 't')).length, 5000)
    assert.equal(store.figures().points, 5000)
  })

  test(`${name}: a batch that is full closes, and the journal says when too much waits for the disk`, async (t) => {
    const store = await withPump(t)
    const payload = Buffer.alloc(limits.packetBytes - 1000, 'x')
    let appended = 0
    while (!store.journal.full) {
      publish(store, 'plain', payload, { flags: 0 })
      appended += 1
    }
    assert.ok(store.figures().backlogBytes > limits.backlogBytes)
    await new Promise<void>((resume) => store.journal.whenRoom(resume))
    assert.equal(store.journal.full, false)
    await stored(store)
    assert.equal(store.figures().messages, appended)
    assert.ok(store.figures().commits >= limits.backlogBytes / (limits.batchBytes + limits.packetBytes))
  })

  test(`${name}: devices come in pages, in the order of their ids, and can be searched`, async (t) => {
    const store = await open(t, newFolder(t))
    const ids = ['b_1', 'a%1', 'C-1', 'a1', 'ax1']
    for (const [at, id] of ids.entries()) store.journal.appendDevice(id, at + 1)
    await stored(store)

    const first = await store.devices({ limit: 2 })
    assert.deepEqual(first, { devices: first.devices, total: 5 })
    assert.deepEqual(
      first.devices.map(({ id }) => id),
      ['C-1', 'a%1'],
    )
    const next = await store.devices({ after: 'a%1', limit: 9 })
    assert.deepEqual(
      next.devices.map(({ id }) => id),
      ['a1', 'ax1', 'b_1'],
    )
    const find = async (search: string) => (await store.devices({ search, limit: 9 })).devices.map(({ id }) => id)
    assert.deepEqual(await find('%'), ['a%1'])
    assert.deepEqual(await find('_'), ['b_1'])
    assert.deepEqual(await find('c-'), ['C-1'])
    assert.equal((await store.devices({ search: 'A', limit: 1 })).total, 3)
    assert.equal(await store.device('nobody'), undefined)
  })

  test(`${name}: what is said of a device stays, through a restart too, and finds it`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder, 'memory')
    for (const at of [1, 2, 3]) store.journal.appendDevice(`pump-${at}`, at)
    await stored(store)
    const fresh = await store.device('pump-1')
    assert.deepEqual([fresh?.type, fresh?.tags], [null, {}])

    const tags = { site: 'north', 'a.b': '"', ['__proto__']: '$' }
    const described = await store.describe('pump-1', { name: 'Zürich \u{1F30A}', type: 'pump', tags })
    assert.deepEqual([described?.name, described?.type, described?.tags], ['Zürich \u{1F30A}', 'pump', tags])
    await store.describe('pump-2', { type: 'pump', tags: { site: 'north' } })
    await store.describe('pump-3', { type: 'valve', tags: { site: 'north', 'a.b': 'other' } })
    reading(store, 1, { t: 1 }) // what the device says later takes nothing of it away
    await stored(store)
    await store.close()

    const again = await open(t, folder)
    const find = async (query: Partial<DeviceQuery>) => {
      const { devices, total } = await again.devices({ limit: 2, ...query })
      return [devices.map(({ id }) => id).join(' '), total]
    }
    const site = { name: 'site', value: 'north' }
    assert.deepEqual(await find({ type: 'pump' }), ['pump-1 pump-2', 2])
    assert.deepEqual(await find({ tags: [site] }), ['pump-1 pump-2', 3])
    assert.deepEqual(await find({ tags: [site], after: 'pump-2' }), ['pump-3', 3])
    assert.deepEqual(await find({ tags: [site, { name: 'a.b', value: '"' }] }), ['pump-1', 1])
    assert.deepEqual(await find({ tags: [{ name: '__proto__', value: '$' }] }), ['pump-1', 1])
    assert.deepEqual(await find({ type: 'valve', tags: [site], search: 'PUMP' }), ['pump-3', 1])
    assert.deepEqual(await find({ type: 'PUMP' }), ['', 0])
    assert.deepEqual(await find({ tags: [{ name: 'b', value: '"' }] }), ['', 0])
    assert.deepEqual(await find({ search: 'zürich' }), ['pump-1', 1])
  })

  test(`${name}: a change leaves what it does not name, and null goes back to what a new device has`, async (t) => {
    const store = await withPump(t)
    await stored(store)
    await store.describe('pump-1', { name: 'Feed', type: 'pump', tags: { site: 'north', floor: '2' } })
    const said = async (change: DeviceChange) => {
      const device = await store.describe('pump-1', change)
      return [device?.name, device?.type, device?.tags]
    }
    assert.deepEqual(await said({}), ['Feed', 'pump', { site: 'north', floor: '2' }])
    assert.deepEqual(await said({ tags: { floor: null, owner: 'anna' } }), ['Feed', 'pump', { site: 'north', owner: 'anna' }])
    assert.deepEqual(await said({ name: null, type: null }), ['pump-1', null, { site: 'north', owner: 'anna' }])
    assert.deepEqual(await said({ tags: null }), ['pump-1', null, {}])

    const many = Object.fromEntries(Array.from({ length: limits.tagsPerDevice }, (_, at) => [`t${at}`, '']))
    await store.describe('pump-1', { tags: many })
    await assert.rejects(store.describe('pump-1', { name: 'X', tags: { more: '' } }), (error: Refusal) => {
      assert.match(error.message, /more than 32 tags \(limits\.tagsPerDevice\)/)
      return error.code === 'device-invalid'
    })
    const { t0: _, ...others } = many
    assert.deepEqual(await said({ tags: { t0: null, more: '' } }), ['pump-1', null, { ...others, more: '' }])
    assert.equal(await store.describe('ghost', { name: 'Casper' }), undefined)
    assert.equal(await store.device('ghost'), undefined)
  })

  test(`${name}: metadata is merged, objects in it as well, and stays through a restart`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder, 'memory')
    store.journal.appendDevice('pump-1', 1)
    await stored(store)
    const said = async (metadata: Metadata | null) => (await store.describe('pump-1', { metadata }))?.metadata
    assert.deepEqual((await store.device('pump-1'))?.metadata, {})
    const place = { hall: { row: 2, ['__proto__']: 'x' }, floors: [1, null] }
    assert.deepEqual(await said({ serial: 'B-17', place, n: 1e300 }), { serial: 'B-17', place, n: 1e300 })
    assert.deepEqual(await said({ place: { hall: { row: null, side: 'left' } }, n: { a: null, b: 1 } }), {
      serial: 'B-17',
      place: { hall: { ['__proto__']: 'x', side: 'left' }, floors: [1, null] },
      n: { b: 1 },
    })
    assert.deepEqual((await store.describe('pump-1', { name: 'Feed' }))?.metadata?.['serial'], 'B-17')
    await assert.rejects(said({ more: 'ü'.repeat(limits.metadataBytes / 2) }), (error: Refusal) => {
      assert.match(error.message, /would have 16\d+ bytes, and may have 16384 \(limits\.metadataBytes\)/)
      return error.code === 'device-invalid'
    })
    const [withoutIt] = (await store.devices({ limit: 1 })).devices
    assert.equal(withoutIt?.metadata, undefined)
    await store.close()

    const again = await open(t, folder)
    const [listed] = (await again.devices({ limit: 1, withMetadata: true })).devices
    assert.deepEqual(listed?.metadata?.['n'], { b: 1 })
    assert.deepEqual((await again.describe('pump-1', { metadata: null }))?.metadata, {})
  })

  test(`${name}: late points find their place, and of two points at the same time the later written counts`, async (t) => {
    const store = await withPump(t)
    for (const [ts, value] of [
      [3000, 3],
      [1000, 1],
      [3000, 30],
    ]) {
      reading(store, 1, { ts, values: { t: value } })
    }
    await stored(store)
    assert.deepEqual(await pointsOf(store, 'pump-1', 't'), [
      [1000, 1],
      [3000, 30],
    ])

    // The read above wrote the first ones; these come into tables that hold them already.
    reading(store, 1, { ts: 2000, values: { t: 2 } })
    reading(store, 1, { ts: 1000, values: { t: 10 } })
    await stored(store)
    assert.deepEqual(await pointsOf(store, 'pump-1', 't'), [
      [1000, 10],
      [2000, 2],
      [3000, 30],
    ])
    assert.deepEqual((await store.device('pump-1'))?.latest['t'], { at: 3000, value: 30 })
  })

  test(`${name}: a hundred reads between writes leave the series whole`, async (t) => {
    const store = await withPump(t)
    for (let at = 0; at < 100; at += 1) {
      reading(store, 1, { ts: at, values: { t: at, s: at % 2 === 0 ? at : `v${at}` } })
      await stored(store)
      assert.equal((await pointsOf(store, 'pump-1', 't')).length, at + 1)
    }
    assert.deepEqual(
      await pointsOf(store, 'pump-1', 't'),
      Array.from({ length: 100 }, (_, at) => [at, at]),
    )
    assert.deepEqual((await pointsOf(store, 'pump-1', 's')).slice(-2), [
      [98, 98],
      [99, 'v99'],
    ])
  })

  test(`${name}: a chart includes both ends of its range, and its series come in the order of their names`, async (t) => {
    const store = await withPump(t)
    for (let at = 0; at < 10; at += 1) reading(store, 1, { ts: at, values: { b: at, a: at > 5 } })
    await stored(store)
    const range = { devices: ['pump-1'], fromMs: 3, toMs: 6, pointsMax: 100, method: 'minmax' } as const
    const rest = { device: 'pump-1', count: 4, thinned: false, tiers: ['raw'], coarse: [] }
    assert.deepEqual(await chartOf(store, range), [
      { metric: 'a', times: [3, 4, 5, 6], values: [false, false, false, true], ...rest },
      { metric: 'b', times: [3, 4, 5, 6], values: [3, 4, 5, 6], ...rest },
    ])
    assert.deepEqual(await chartOf(store, { ...range, fromMs: 30, toMs: 60 }), [])
    assert.deepEqual(await chartOf(store, { ...range, devices: ['nobody'] }), [])
  })

  test(`${name}: a thinned chart says so, keeps the peak and both ends; other values keep the newest`, async (t) => {
    const store = await withPump(t)
    const readings = Array.from({ length: 5000 }, (_, at) => ({ ts: at, values: { t: at === 1234 ? 99 : Math.sin(at), s: `v${at}` } }))
    reading(store, 1, readings)
    await stored(store)
    const [s, numbers] = await chartOf(store, { devices: ['pump-1'], fromMs: 0, toMs: 1e6, pointsMax: 100, method: 'minmax' })
    assert.ok(numbers !== undefined && numbers.times.length <= 100)
    assert.deepEqual([numbers.count, numbers.thinned, numbers.times[0], numbers.times.at(-1)], [5000, true, 0, 4999])
    assert.ok(numbers.values.includes(99))
    assert.deepEqual([s?.times.length, s?.times[0], s?.values.at(-1)], [100, 4900, 'v4999'])
  })

  test(`${name}: a metric may have any name, and a value may be any JSON`, async (t) => {
    const store = await withPump(t)
    const value = { deep: [1, { x: null }], text: 'Zürich \u{1F30A} \ud800' }
    reading(store, 1, `{"__proto__":{"polluted":1},"constructor":2,"ä/€ ":${JSON.stringify(value)},"nothing":null}`)
    publish(store, 'devices/pump-1/telemetry/state', 'open', { device: 1 })
    await stored(store)
    const device = await store.device('pump-1')
    assert.deepEqual(Object.keys(device?.latest ?? {}).sort(), ['__proto__', 'constructor', 'nothing', 'state', 'ä/€ '])
    assert.deepEqual(device?.latest['ä/€ ']?.value, value)
    assert.equal(device?.latest['state']?.value, 'open')
    assert.equal(Object.getPrototypeOf(device.latest), Object.prototype)
    assert.equal(Reflect.get({}, 'polluted'), undefined)
    assert.deepEqual((await pointsOf(store, 'pump-1', '__proto__'))[0]?.[1], { polluted: 1 })
    assert.deepEqual((await pointsOf(store, 'pump-1', 'nothing'))[0]?.[1], null)
  })

  test(`${name}: retained messages survive, with their properties; the newest counts and an empty one deletes`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder)
    const flags = frameFlags.retain | 1
    publish(store, 'site/a', 'old', { flags })
    publish(store, 'site/a', 'new', { flags, properties: Buffer.from([38, 1, 2]) })
    publish(store, 'site/b', 'gone', { flags })
    publish(store, 'site/b', '', { flags })
    publish(store, 'site/c', 'not retained', { flags: 1 })
    await store.close()

    const again = await open(t, folder)
    assert.equal(again.retainedAtStart.length, 1)
    const [message] = again.retainedAtStart
    assert.equal(message?.topic, 'site/a')
    assert.equal(Buffer.from(message.payload).toString(), 'new')
    assert.deepEqual([message.qos, message.retain, [...(message.properties ?? [])]], [1, true, [38, 1, 2]])

    publish(again, 'site/a', '', { flags })
    await again.close()
    assert.equal((await open(t, folder)).retainedAtStart.length, 0)
  })

  test(`${name}: checked telemetry that cannot be read is refused to its own waiter only`, async (t) => {
    const store = await withPump(t)
    const diary = new Diary()
    store.journal.after(diary, 1, reading(store, 1, { ts: 1, values: { t: 1 } }, frameFlags.checked))
    store.journal.after(diary, 2, reading(store, 1, '{"t":', frameFlags.checked))
    store.journal.after(diary, 3) // someone else, who appends nothing and only wants the order kept
    store.journal.after(diary, 4, reading(store, 1, { ts: 3, values: { t: 3 } }, frameFlags.checked))
    await stored(store)
    assert.deepEqual(diary.lines, ['1 stored', '2 telemetry-invalid', '3 stored', '4 stored'])
    assert.deepEqual(await pointsOf(store, 'pump-1', 't'), [
      [1, 1],
      [3, 3],
    ])
    assert.equal(store.figures().telemetryRefused, 1)
    assert.equal((await store.device('pump-1'))?.lastRefusal, null)
  })

  test(`${name}: telemetry that cannot be read is stored, counted, and shown on its device`, async (t) => {
    const store = await withPump(t)
    reading(store, 1, { t: 1 })
    reading(store, 1, 'rubbish')
    publish(store, 'devices/pump-1/telemetry', Buffer.from([0x22, 0xff, 0x22]), { device: 1 })
    await stored(store)
    const device = await store.device('pump-1')
    assert.equal(device?.lastRefusal?.topic, 'devices/pump-1/telemetry')
    assert.equal(device.lastRefusal.sentence, 'The telemetry is refused: it is not UTF-8.')
    assert.equal(store.figures().telemetryRefused, 2)
    assert.equal(device.latest['t']?.value, 1)
  })

  test(`${name}: a device that invents metrics keeps those it may have`, async (t) => {
    const store = await withPump(t)
    for (let at = 0; at < limits.metricsPerDevice + 3; at += 1) reading(store, 1, { [`m${at}`]: at })
    reading(store, 1, { m0: -1, another: 1 })
    await stored(store)
    const device = await store.device('pump-1')
    assert.equal(Object.keys(device?.latest ?? {}).length, limits.metricsPerDevice)
    assert.equal(device?.latest['m0']?.value, -1)
    assert.match(device.lastRefusal?.sentence ?? '', /limits\.metricsPerDevice/)
    assert.equal(store.figures().telemetryRefused, 4)
  })

  test(`${name}: only watched devices are spoken of, with the newest value of each metric`, async (t) => {
    const store = await withPump(t)
    store.journal.appendDevice('pump-2', 2)
    reading(store, 1, { ts: 5, values: { t: 5 } })
    await stored(store)
    await store.device('pump-1')

    const next = changesOf(store)
    store.watch({ devices: ['pump-1'] })
    reading(store, 2, { t: 0 })
    reading(store, 1, { ts: 4, values: { t: 4 } }) // late: not the newest
    for (let at = 10; at < 20; at += 1) reading(store, 1, { ts: at, values: { t: at } })
    await stored(store)
    assert.deepEqual(await next(), { devices: ['pump-1'], metrics: ['t'], times: [19], values: [19], seqs: [store.journal.newestSeq] })

    store.watch({ all: true })
    reading(store, 2, { ts: 7, values: { u: 'x' } })
    assert.deepEqual(await next(), { devices: ['pump-2'], metrics: ['u'], times: [7], values: ['x'], seqs: [store.journal.newestSeq] })
  })

  test(`${name}: what moved comes in bounded portions, and all of it`, async (t) => {
    const store = await withPump(t)
    const next = changesOf(store)
    store.watch({ all: true })
    const devices = 30
    for (let device = 2; device <= devices; device += 1) store.journal.appendDevice(`pump-${device}`, device)
    const values = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`m${at}`, at]))
    for (let device = 1; device <= devices; device += 1) reading(store, device, values)
    await stored(store)
    const seen = new Set<string>()
    while (seen.size < devices * 200) {
      const changes = await next()
      assert.ok(changes.devices.length <= limits.frameChanges)
      for (const [at, id] of changes.devices.entries()) seen.add(`${id} ${changes.metrics[at]}`)
    }
  })

  test(`${name}: a store that is opened again goes on where it was, in the next epoch`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder)
    store.journal.appendDevice('pump-1', 1)
    const last = reading(store, 1, { ts: 1, values: { t: 1 } })
    await store.close() // without waiting: closing commits what is open

    const again = await open(t, folder)
    assert.equal(again.journal.epoch, store.journal.epoch + 1)
    assert.deepEqual([...again.devicesAtStart], [['pump-1', 1]])
    assert.equal(reading(again, 1, { ts: 2, values: { t: 2 } }), last + 1)
    await stored(again)
    assert.deepEqual(await pointsOf(again, 'pump-1', 't'), [
      [1, 1],
      [2, 2],
    ])
    assert.equal(again.figures().projectedSeq, last + 1)
  })

  test(`${name}: after close nobody is told that something was stored`, async (t) => {
    const store = await withPump(t)
    await store.close()
    const diary = new Diary()
    store.journal.after(diary, 1)
    reading(store, 1, { t: 1 })
    await assert.rejects(stored(store), (error) => error instanceof Refusal && error.code === 'shutting-down')
    assert.deepEqual(diary.lines, ['1 shutting-down'])
  })
}
