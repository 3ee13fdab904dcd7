// New points into the chunks of one partition, against a map.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { MetricValue } from '../../devices/device.ts'
import { decodeChunk } from '../../hub/store/series/chunk.ts'
import { inOrder } from '../../hub/store/series/columns.ts'
import { mergePoints } from '../../hub/store/sqlite/keeper/merge.ts'
import { Partition } from '../../hub/store/sqlite/partition.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder } from './kit.ts'

const series = 7
const everMs = Number.MAX_SAFE_INTEGER

function newPartition(t: TestContext): Partition {
  const partition = Partition.open(join(newFolder(t), 'day.db'))
  atEnd(t, () => partition.close())
  return partition
}

function merge(partition: Partition, points: readonly (readonly [number, MetricValue])[], into = series): void {
  const numeric = points.every(([, value]) => typeof value === 'number')
  const values = points.map(([, value]) => value)
  const columns = { times: Float64Array.from(points, ([atMs]) => atMs), values: numeric ? Float64Array.from(values as number[]) : values }
  partition.write(() => mergePoints(partition, into, inOrder(columns)))
}

/** Point by point as a reader goes through the chunks; what holds for all chunks is checked on the way. */
function pointsIn(partition: Partition): [number, MetricValue][] {
  const chunks = partition.chunks(series, 0, everMs)
  const points: [number, MetricValue][] = []
  for (const { startMs, endMs, count, bytes } of chunks) {
    const { times, values } = decodeChunk(bytes)
    assert.deepEqual([times[0], times.at(-1), times.length], [startMs, endMs, count])
    assert.ok(count <= 1500, `${count} points in a chunk`)
    assert.ok(points.length === 0 || points.at(-1)![0] < startMs, 'chunks of a series never overlap')
    for (const [at, atMs] of times.entries()) points.push([atMs, values[at]!])
  }
  return points
}

const ids = (partition: Partition) => partition.chunks(series, 0, everMs).map(({ id }) => id)
const counts = (partition: Partition) => partition.chunks(series, 0, everMs).map(({ count }) => count)
const run = (from: number, count: number, value?: MetricValue, step = 1) =>
  Array.from({ length: count }, (_, at): [number, MetricValue] => [from + at * step, value ?? from + at])

const visit = fc
  .record({
    from: fc.integer({ min: 0, max: 6000 }),
    count: fc.constantFrom(1, 2, 30, 499, 500, 700, 1600, 3100),
    step: fc.constantFrom(0.5, 1, 3, 400),
    value: fc.constantFrom<MetricValue | undefined>(undefined, undefined, 'text', null),
  })
  .map(({ from, count, step, value }) => run(from, step === 400 ? Math.min(count, 30) : count, value, step))

test('whatever visits in whatever order: each time once, with the value that came last, in chunks that do not overlap', (t) => {
  fc.assert(
    fc.property(fc.array(visit, { minLength: 1, maxLength: 8 }), (visits) => {
      const partition = Partition.open(join(newFolder(t), 'day.db'))
      const model = new Map<number, MetricValue>()
      merge(partition, run(0, 10), series + 1)
      for (const points of visits) {
        merge(partition, points)
        for (const [atMs, value] of points) model.set(atMs, value)
        assert.deepEqual(
          pointsIn(partition),
          [...model].sort(([a], [b]) => a - b),
        )
      }
      assert.equal(partition.totals().points, model.size + 10, 'the totals are those of the chunks')
      partition.close()
    }),
    { numRuns: 40 },
  )
})

test('the same points once more change nothing', (t) => {
  const partition = newPartition(t)
  for (const points of [run(0, 2600), run(5000, 300), run(1000, 50, 'text')]) merge(partition, points)
  const before = pointsIn(partition)
  merge(partition, run(1000, 50, 'text'))
  assert.deepEqual(pointsIn(partition), before)
})

test('one late point opens one chunk', (t) => {
  const partition = newPartition(t)
  merge(partition, run(0, 5000))
  const before = ids(partition)
  merge(partition, [[1500.5, -1]])
  const after = ids(partition)
  assert.equal(after.length, 5)
  assert.deepEqual(
    after.filter((id) => !before.includes(id)).map((id) => after.indexOf(id)),
    [1],
  )
})

test('points behind a full chunk leave it as it is, behind a short one they are taken into it', (t) => {
  const partition = newPartition(t)
  merge(partition, run(0, 1000))
  const [full] = ids(partition)
  merge(partition, run(2000, 499))
  assert.deepEqual(counts(partition), [1000, 499])
  merge(partition, run(3000, 400))
  assert.deepEqual(counts(partition), [1000, 899])
  assert.equal(ids(partition)[0], full)
  merge(partition, run(4000, 100))
  assert.deepEqual(counts(partition), [1000, 899, 100])
})

test('a chunk that has grown past one and a half times its length is cut in two', (t) => {
  const partition = newPartition(t)
  merge(partition, run(0, 1000, undefined, 2))
  merge(partition, run(1, 499, undefined, 2))
  assert.deepEqual(counts(partition), [1499])
  merge(partition, [[1501, 0]])
  assert.deepEqual(counts(partition), [750, 750])
})

test('a chunk that cannot be read is put aside with its bytes, and what is new stands in its place', (t) => {
  const partition = newPartition(t)
  const damaged = Buffer.alloc(100, 1)
  partition.write(() => partition.insert({ series, startMs: 0, endMs: 999, count: 1000, bytes: damaged }))
  const [id] = ids(partition)
  merge(partition, run(2000, 5))
  assert.deepEqual(ids(partition)[0], id, 'nobody had to open it')
  merge(partition, run(500, 5))
  assert.deepEqual(
    pointsIn(partition).map(([atMs]) => atMs),
    [500, 501, 502, 503, 504, 2000, 2001, 2002, 2003, 2004],
  )
  assert.equal(partition.totals().points, 10)
  assert.deepEqual(partition.putAside(series, 600, 700), [{ id, startMs: 0, endMs: 999, count: 1000 }])
  assert.deepEqual(partition.putAside(series, 1000, 5000), [])
  assert.deepEqual(partition.bytesOf(id!), damaged)
})

test('beside a chunk that cannot be read, too, each time is there once, with the value that came last', (t) => {
  const partition = newPartition(t)
  partition.write(() => partition.insert({ series, startMs: 0, endMs: 999, count: 1000, bytes: Buffer.alloc(100, 1) }))
  merge(partition, [[500, 'a']])
  merge(partition, [
    [300, 'b'],
    [500, 'b'],
    [700, 'b'],
  ])
  assert.deepEqual(pointsIn(partition), [
    [300, 'b'],
    [500, 'b'],
    [700, 'b'],
  ])
})
