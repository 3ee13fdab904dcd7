import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reading } from '../../simulators/profiles/profile.ts'
import { type ProfileName, profiles } from '../../simulators/profiles/profiles.ts'
import { Random } from '../../simulators/random.ts'

/** What a person would believe of such a device. */
const bounds: Readonly<Record<ProfileName, Readonly<Record<string, readonly [low: number, high: number]>>>> = {
  thermostat: { temperature: [4, 36], target: [15, 25] },
  pump: { rpm: [-10, 1600], pressure: [0, 5], flow: [0, 50], power: [0, 10], vibration: [0, 8] },
  tracker: { latitude: [47, 47.8], longitude: [8, 9.1], speed: [0, 70], heading: [0, 359], battery: [5, 100] },
  'web-tracker': { latitude: [47, 47.8], longitude: [8, 9.1], speed: [0, 70], heading: [0, 359], battery: [5, 100] },
  flaky: { rssi: [-120, -60], humidity: [0, 100] },
}

function readings(name: ProfileName, seed: number, count: number, seconds = profiles[name].everySeconds): Reading[] {
  const signal = profiles[name].start(new Random(seed))
  return Array.from({ length: count }, () => signal(seconds))
}

for (const name of Object.keys(profiles) as ProfileName[]) {
  test(`a ${name} says the same with the same seed, and something else with another`, () => {
    assert.deepEqual(readings(name, 7, 200), readings(name, 7, 200))
    assert.notDeepEqual(readings(name, 7, 200), readings(name, 8, 200))
  })

  test(`a ${name} stays plausible for a long time, at any pace`, () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      for (const seconds of [0.1, profiles[name].everySeconds, 600]) {
        for (const reading of readings(name, seed, 5000, seconds)) {
          for (const [metric, [low, high]] of Object.entries(bounds[name])) {
            const value = reading[metric]
            assert.ok(
              typeof value === 'number' && value >= low && value <= high,
              `${metric} is ${value} (seed ${seed}, every ${seconds} s)`,
            )
          }
        }
      }
    }
  })

  test(`a ${name} changes while one watches`, () => {
    assert.ok(new Set(readings(name, 1, 100).map((reading) => JSON.stringify(reading))).size > 8)
  })
}

test('a thermostat heats and cools around its target', () => {
  const all = readings('thermostat', 3, 5000)
  assert.deepEqual(new Set(all.map((reading) => reading['heating'])), new Set([true, false]))
})

test('the devices of one fleet differ', () => {
  const first = Array.from({ length: 1000 }, (_, index) => Random.of(1, `thermostat-${index}`).next())
  assert.equal(new Set(first).size, 1000)
  const mean = first.reduce((sum, value) => sum + value, 0) / first.length
  assert.ok(mean > 0.45 && mean < 0.55, `mean ${mean}`)
})
