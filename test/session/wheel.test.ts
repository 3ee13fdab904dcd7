// Deadlines: met up to one second late, never early, and each once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Timed, Wheel } from '../../hub/wheel.ts'
import { HandClock } from '../kit/clock.ts'

function bell(): Timed & { rung: number } {
  const made = { dueTick: 0, rung: 0, onDue: () => void made.rung++ }
  return made
}

test('a deadline is met in its second or the next, however far away it is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 0, max: 600 }), (seconds, startAt) => {
      const clock = new HandClock()
      const wheel = new Wheel(clock)
      clock.advance(startAt)
      const one = bell()
      wheel.arm(one, seconds)
      clock.advance(seconds - 1)
      assert.equal(one.rung, 0, 'not early')
      clock.advance(2)
      assert.equal(one.rung, 1, 'not later than a second')
      assert.equal(one.dueTick, 0)
      clock.advance(1100)
      assert.equal(one.rung, 1, 'once')
    }),
    { numRuns: 50 },
  )
})

test('half a second counts as a whole one: a keep-alive of 1 is 1.5 seconds and never less', () => {
  const clock = new HandClock()
  const wheel = new Wheel(clock)
  const one = bell()
  wheel.arm(one, 1.5)
  clock.advance(1)
  assert.equal(one.rung, 0)
  clock.advance(2)
  assert.equal(one.rung, 1)
})

test('arming again moves the deadline, disarming takes it away', () => {
  const clock = new HandClock()
  const wheel = new Wheel(clock)
  const [moved, gone] = [bell(), bell()]
  wheel.arm(moved, 5)
  wheel.arm(gone, 5)
  clock.advance(3)
  wheel.arm(moved, 5)
  wheel.disarm(gone)
  wheel.disarm(gone)
  clock.advance(4)
  assert.deepEqual([moved.rung, gone.rung], [0, 0])
  clock.advance(2)
  assert.deepEqual([moved.rung, gone.rung], [1, 0])
})

test('whoever is due may arm itself again, also for a whole turn of the wheel', () => {
  for (const seconds of [1, 510, 511, 512, 1024]) {
    const clock = new HandClock()
    const wheel = new Wheel(clock)
    let rung = 0
    const one: Timed = {
      dueTick: 0,
      onDue: () => {
        rung++
        wheel.arm(one, seconds)
      },
    }
    wheel.arm(one, seconds)
    clock.advance(seconds + 1)
    assert.equal(rung, 1)
    clock.advance(seconds - 1)
    assert.equal(rung, 1, 'not early')
    clock.advance(2)
    assert.ok(rung >= 2, `every ${seconds} s`)
  }
})

test('after a machine slept, every deadline it slept through is met', () => {
  let tick = () => {}
  let nowMs = 0
  const every = (_: number, then: () => void) => {
    tick = then
    return () => {}
  }
  const wheel = new Wheel({ now: () => nowMs, monotonic: () => nowMs, steady: () => nowMs, every })
  const bells = [1, 100, 511, 512, 700, 5000].map((seconds) => {
    const one = bell()
    wheel.arm(one, seconds)
    return one
  })
  nowMs = 1_000_000
  tick()
  assert.deepEqual(
    bells.map(({ rung }) => rung),
    [1, 1, 1, 1, 1, 0],
  )
})
