// Deadlines: met up to one second late, never early, and each once; thousands at once do not hold the loop.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
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

/** A clock that each deadline moves by what meeting it costs, and the ticks that a timer would bring. */
class BusyClock {
  nowMs = 0
  tick = () => {}

  readonly now = () => this.nowMs
  readonly monotonic = () => this.nowMs
  readonly steady = () => this.nowMs

  every(_: number, tick: () => void): () => void {
    this.tick = tick
    return () => {}
  }

  /** The timer fires at this moment. */
  tickAt(seconds: number): void {
    this.nowMs = Math.max(this.nowMs, seconds * 1000)
    this.tick()
  }
}

test('after a machine slept, every deadline it slept through is met', () => {
  const clock = new BusyClock()
  const wheel = new Wheel(clock)
  const bells = [1, 100, 511, 512, 700, 5000].map((seconds) => {
    const one = bell()
    wheel.arm(one, seconds)
    return one
  })
  clock.tickAt(1000)
  assert.deepEqual(
    bells.map(({ rung }) => rung),
    [1, 1, 1, 1, 1, 0],
  )
})

/** Arms bells that note their number when they ring, each at the cost of so many ms. */
function armBells(wheel: Wheel, clock: BusyClock, count: number, seconds: number, costMs: number, rung: number[]): Timed[] {
  return Array.from({ length: count }, (_, number) => {
    const one: Timed = {
      dueTick: 0,
      onDue: () => {
        clock.nowMs += costMs
        rung.push(number)
      },
    }
    wheel.arm(one, seconds)
    return one
  })
}

test('a thousand deadlines of one second are met in slices, in order, and the loop has its turn between two of them', async () => {
  const clock = new BusyClock()
  const wheel = new Wheel(clock)
  const rung: number[] = []
  armBells(wheel, clock, 1000, 1, 1, rung)
  clock.tickAt(3)
  for (let turn = 0, before = 0; rung.length < 1000; turn++) {
    assert.ok(turn < 1000, 'they come to an end')
    assert.ok(rung.length - before <= 5, `${rung.length - before} ms without a turn of the loop`)
    before = rung.length
    await turnOfTheLoop()
  }
  assert.deepEqual(
    rung,
    Array.from({ length: 1000 }, (_, number) => number),
  )
})

test('what is due together and costs little is met at once', () => {
  const clock = new BusyClock()
  const wheel = new Wheel(clock)
  const rung: number[] = []
  armBells(wheel, clock, 1000, 1, 0.001, rung)
  clock.tickAt(3)
  assert.equal(rung.length, 1000)
})

test('between two slices deadlines may be moved and taken away, and the seconds go on', async () => {
  const clock = new BusyClock()
  const wheel = new Wheel(clock)
  const rung: number[] = []
  const bells = armBells(wheel, clock, 20, 1, 1, rung)
  clock.tickAt(3)
  assert.deepEqual(rung, [0, 1, 2, 3, 4])
  wheel.disarm(bells[7]!)
  wheel.arm(bells[8]!, 2)
  clock.tickAt(5) // the timer fires while slices are under way
  assert.deepEqual([rung.length, wheel.tick], [5, 6])
  const late = bell()
  wheel.arm(late, 1)
  for (let turn = 0; turn < 10; turn++) await turnOfTheLoop()
  assert.deepEqual(rung, [...[0, 1, 2, 3, 4, 5, 6, 9], ...[10, 11, 12, 13, 14, 15, 16, 17, 18, 19]])
  assert.equal(late.rung, 0, 'a second has not passed')
  clock.tickAt(7)
  assert.deepEqual([rung.at(-1), late.rung], [8, 1])
})

test('a wheel that is stopped between two slices meets nothing more', async () => {
  const clock = new BusyClock()
  const wheel = new Wheel(clock)
  const rung: number[] = []
  armBells(wheel, clock, 20, 1, 1, rung)
  clock.tickAt(3)
  wheel.stop()
  for (let turn = 0; turn < 10; turn++) await turnOfTheLoop()
  assert.equal(rung.length, 5)
})

test('whatever a deadline costs and whatever happens between two slices, each is met once, in order of the seconds, never early', async () => {
  const seconds = fc.integer({ min: 1, max: 1100 })
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ what: fc.constant('arm' as const), number: fc.nat(40), seconds, costMs: fc.constantFrom(0, 1, 3, 900) }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('disarm' as const), number: fc.nat(40) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('pass' as const), seconds: fc.integer({ min: 0, max: 600 }) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('turn' as const) }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
      const clock = new BusyClock()
      const wheel = new Wheel(clock)
      /** Those that are armed: the second they are due in, and the moment before which they may not be met. */
      const armed = new Map<number, { second: number; notBefore: number; costMs: number }>()
      let lastSecond = 0
      const bells = Array.from({ length: 41 }, (_, number): Timed => {
        const onDue = () => {
          const due = armed.get(number)
          assert.ok(due !== undefined, 'it is met once, and only when it is armed')
          assert.ok(clock.nowMs >= due.notBefore, `${due.notBefore - clock.nowMs} ms early`)
          assert.ok(due.second >= lastSecond, 'in order of the seconds')
          lastSecond = due.second
          armed.delete(number)
          clock.nowMs += due.costMs
        }
        return { dueTick: 0, onDue }
      })
      for (const step of steps) {
        if (step.what === 'turn') await turnOfTheLoop()
        else if (step.what === 'pass') clock.tickAt(Math.floor(clock.nowMs / 1000) + step.seconds)
        else if (step.what === 'disarm') {
          wheel.disarm(bells[step.number]!)
          armed.delete(step.number)
        } else {
          clock.tick() // a timer that is not late
          const { number, seconds, costMs } = step
          const one = bells[number]!
          wheel.arm(one, seconds)
          armed.set(number, { second: one.dueTick, notBefore: clock.nowMs + seconds * 1000, costMs })
        }
      }
      for (let turn = 0; armed.size > 0 && turn < 1000; turn++) {
        clock.tickAt(Math.floor(clock.nowMs / 1000) + 100)
        await turnOfTheLoop()
      }
      assert.deepEqual([...armed.keys()], [], 'none is forgotten')
    }),
    { numRuns: 300 },
  )
})
