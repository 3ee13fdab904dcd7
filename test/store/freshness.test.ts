// Which metrics have fallen silent, by what their type says or by how they came before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { schemaOf } from '../../devices/device-type.ts'
import type { FreshnessNews } from '../../hub/store/freshness.ts'
import { DeviceState } from '../../hub/store/sqlite/device-state.ts'
import { FreshnessBook } from '../../hub/store/sqlite/freshness-book.ts'
import { HandClock } from '../kit/clock.ts'

function makeBook() {
  const clock = new HandClock()
  const news: FreshnessNews[] = []
  const state = { isBehind: false }
  const book = new FreshnessBook(
    clock,
    () => state.isBehind,
    (told) => news.push(...told),
  )
  let number = 0
  const device = (schema?: object) => {
    number += 1
    return new DeviceState(number, `pump-${number}`, 0, false, null, schema && schemaOf({ name: 'pump', ...schema }))
  }
  /** What was told since the last time: `stale t h`. */
  const told = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return news.splice(0).map(({ is, metrics }) => [is, ...Object.keys(metrics)].join(' '))
  }
  return { clock, book, state, device, told }
}

/** A message with these metrics comes. */
function hear(book: FreshnessBook, device: DeviceState, ...metrics: string[]): void {
  device.fresh ??= book.attach(device)
  for (const metric of metrics) device.fresh?.heard(device.indexOf(metric, 0) ?? device.addSeries(0, metric), book.second(), device)
}

/** It comes every so many seconds, so many times. */
function hearOften(clock: HandClock, book: FreshnessBook, device: DeviceState, everySeconds: number, times: number): void {
  for (let time = 0; time < times; time++) {
    hear(book, device, 't')
    clock.advance(everySeconds)
  }
}

test('a metric whose type says how often it comes is stale after three times that, and fresh with its next point', async () => {
  const { clock, book, device, told } = makeBook()
  const pump = device({ metrics: { t: { type: 'number', every: 10 }, h: { type: 'number' } } })
  hear(book, pump, 't', 'h')
  clock.advance(27)
  assert.deepEqual(await told(), [])
  clock.advance(5)
  assert.deepEqual(await told(), ['stale t'])
  assert.deepEqual(book.stale(), ['pump-1'])
  const { t, h } = book.of('pump-1')
  assert.deepEqual([t?.every, t?.isStale, typeof t?.staleAt, h?.every, h?.isStale], [10, true, 'number', null, false])
  clock.advance(1000)
  assert.deepEqual(await told(), [], 'once')
  hear(book, pump, 't')
  assert.deepEqual(await told(), ['fresh t'])
  assert.deepEqual([book.stale(), book.of('pump-1')['t']?.isStale], [[], false])
  clock.advance(40)
  assert.deepEqual(await told(), ['stale t'], 'and stale again')
})

test('how often a metric comes is learned, and what falls silent together is told together', async () => {
  const { clock, book, device, told } = makeBook()
  const pump = device()
  for (let minute = 0; minute < 20; minute++) {
    hear(book, pump, 't', 'h')
    clock.advance(60)
  }
  assert.equal(book.of('pump-1')['t']?.every, 60)
  assert.deepEqual(await told(), [])
  clock.advance(130)
  assert.deepEqual(await told(), ['stale t h'])
})

test('a burst is no cadence: a device that sends its backlog and then every ten minutes is never late', async () => {
  const { clock, book, device, told } = makeBook()
  const pump = device()
  hearOften(clock, book, pump, 1, 20)
  hearOften(clock, book, pump, 600, 30)
  assert.deepEqual(await told(), [])
  for (let batch = 0; batch < 20; batch++) {
    for (let reading = 0; reading < 100; reading++) hear(book, pump, 't')
    clock.advance(600)
  }
  assert.deepEqual(await told(), [])
  assert.equal(book.of('pump-1')['t']?.every, 600)
  clock.advance(1300)
  assert.deepEqual(await told(), ['stale t'])
})

test('a night of silence is not learned from: the next one is noticed as soon', async () => {
  const { clock, book, device, told } = makeBook()
  const pump = device()
  hearOften(clock, book, pump, 5, 60)
  clock.advance(8 * 3600)
  assert.deepEqual(await told(), ['stale t'])
  hearOften(clock, book, pump, 5, 60)
  assert.deepEqual(await told(), ['fresh t'])
  assert.equal(book.of('pump-1')['t']?.every, 5)
  clock.advance(60)
  assert.deepEqual(await told(), ['stale t'])
})

test('a metric that came seldom or once is not missed', async () => {
  const { clock, book, device, told } = makeBook()
  const pump = device()
  hear(book, pump, 't')
  clock.advance(100_000)
  hearOften(clock, book, pump, 1, 5)
  clock.advance(100_000)
  assert.deepEqual(await told(), [])
})

test('while readings wait to be looked at nobody is said to be silent', async () => {
  const { clock, book, device, state, told } = makeBook()
  const pump = device({ metrics: { t: { type: 'number', every: 10 } } })
  hear(book, pump, 't')
  state.isBehind = true
  clock.advance(300)
  assert.deepEqual(await told(), [])
  state.isBehind = false
  clock.advance(60)
  assert.deepEqual(await told(), ['stale t'])
})

test('what is known outlives the memory of the points, whatever order its series come back in; a type that changes counts at once', async () => {
  const { clock, book, device, told } = makeBook()
  const pump = device()
  hear(book, pump, 't', 'h')
  hearOften(clock, book, pump, 60, 20)
  const again = new DeviceState(1, 'pump-1', 0, false)
  again.addSeries(2, 'h')
  again.addSeries(1, 't')
  again.fresh = book.attach(again)
  assert.equal(book.of('pump-1')['t']?.every, 60)
  again.fresh?.retype(schemaOf({ name: 'pump', metrics: { t: { type: 'number', every: 5 } } }))
  clock.advance(5)
  assert.deepEqual(await told(), ['stale t'])
  book.forget('pump-1')
  assert.deepEqual([book.stale(), book.of('pump-1')], [[], {}])
})
