// Work that is put off: in its order, some of it a turn, and others have theirs in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slices } from '../hub/slices.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Holds the loop. */
function toil(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test('what takes long is done over several turns, in its order, with what came meanwhile behind it', async () => {
  const done: number[] = []
  const slices = new Slices<number>((one) => {
    toil(3)
    done.push(one)
    if (one === 2) slices.push(100)
  })
  for (let one = 0; one < 9; one++) slices.push(one)
  assert.deepEqual(done, [], 'nothing is done at once')
  let turns = 0
  for (; done.length < 10; turns++) await turn()
  assert.deepEqual(done, [0, 1, 2, 3, 4, 5, 6, 7, 8, 100])
  assert.ok(turns > 2, `${turns} turns`)
  slices.push(5)
  await turn()
  assert.equal(done.length, 11, 'it begins again after a rest')
})

test('what waits can be done at once, or let go of', async () => {
  const done: string[] = []
  const slices = new Slices<string>((one) => done.push(one))
  slices.push('a')
  slices.push('b')
  slices.flush()
  assert.deepEqual(done, ['a', 'b'])
  slices.push('c')
  slices.clear()
  slices.push('d')
  await turn()
  await turn()
  assert.deepEqual(done, ['a', 'b', 'd'])
})
