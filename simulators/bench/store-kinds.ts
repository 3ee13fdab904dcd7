// Kinds of series that the store is measured with: what a metric does, how often it is read, and how many points there are.
import type { Random } from '../random.ts'

/** The next value after `seconds`. Booleans are 1 and 0 here and become true and false on their way into the hub. */
export type Signal = (random: Random, seconds: number) => number

export interface Metric {
  readonly name: string
  readonly is: 'number' | 'boolean'
  /** A new one per series, so that no two share what they remember. */
  start(random: Random): Signal
}

export interface Kind {
  readonly says: string
  /** All metrics of a device are read at the same moment. */
  readonly metrics: readonly Metric[]
  readonly devices: number
  /** Shortest and longest time from one reading to the next, whole ms. */
  readonly gapMs: readonly [least: number, most: number]
  /** How late a reading may be taken, in whole ms; the next one is not late for that. */
  readonly jitterMs: number
  /** Undefined: as many as the run was asked for. */
  readonly points?: number
}

const secondMs = 1000
const minuteMs = 60_000

export const kinds = {
  constant: {
    ...{ says: 'a number that never changes, every second', devices: 10, metrics: [constant('setpoint')] },
    ...{ gapMs: [secondMs, secondMs], jitterMs: 0 },
  },
  counter: {
    ...{ says: 'a counter that grows by 0 to 9 a second and starts over now and then', devices: 10, metrics: [counter('pulses')] },
    ...{ gapMs: [secondMs, secondMs], jitterMs: 0 },
  },
  'on-off': {
    ...{ says: 'true and false, for some minutes each, every second', devices: 10, metrics: [onOff('running')] },
    ...{ gapMs: [secondMs, secondMs], jitterMs: 0 },
  },
  sensor: {
    ...{ says: 'a sensor of two decimals, every second and 0 to 4 ms late', devices: 10, metrics: [sensor('temperature')] },
    ...{ gapMs: [secondMs, secondMs], jitterMs: 4 },
  },
  noisy: {
    ...{ says: 'a float64 with all 52 bits of its fraction, every second', devices: 10, metrics: [noisy('vibration')] },
    ...{ gapMs: [secondMs, secondMs], jitterMs: 0 },
  },
  sparse: {
    ...{ says: 'a sensor of two decimals, every 10 to 60 minutes, 2,000 devices', devices: 2000, metrics: [sensor('level')] },
    ...{ gapMs: [10 * minuteMs, 60 * minuteMs], jitterMs: 0 },
  },
  fleet: {
    ...{ says: 'a day of ten devices with four metrics, every 10 seconds and 0 to 4 ms late', devices: 10, points: 345_600 },
    ...{ metrics: [sensor('temperature'), counter('pulses'), onOff('running'), noisy('vibration')] },
    ...{ gapMs: [10 * secondMs, 10 * secondMs], jitterMs: 4 },
  },
  month: {
    ...{ says: 'thirty days of one sensor of two decimals, every second and 0 to 4 ms late', devices: 1, points: 2_592_000 },
    ...{ metrics: [sensor('temperature')], gapMs: [secondMs, secondMs], jitterMs: 4 },
  },
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof kinds

export function isKindName(text: string): text is KindName {
  return Object.hasOwn(kinds, text)
}

function constant(name: string): Metric {
  return {
    name,
    is: 'number',
    start: (random) => {
      const value = rounded(random.between(10, 30))
      return () => value
    },
  }
}

function counter(name: string): Metric {
  const meanSecondsToReset = 24 * 3600
  return {
    name,
    is: 'number',
    start: (random) => {
      let value = Math.floor(random.between(0, 1_000_000))
      return (source, seconds) => {
        value = source.chance(seconds / meanSecondsToReset) ? 0 : value + Math.floor(source.next() * 10 * seconds)
        return value
      }
    },
  }
}

function onOff(name: string): Metric {
  const meanSecondsOfOne = 300
  return {
    name,
    is: 'boolean',
    start: (random) => {
      let isOn = random.chance(0.5)
      return (source, seconds) => {
        if (source.chance(seconds / meanSecondsOfOne)) isOn = !isOn
        return isOn ? 1 : 0
      }
    },
  }
}

/** A walk between 0 and 40 in steps of some hundredths: what most sensors look like to a store. */
function sensor(name: string): Metric {
  const [low, high] = [0, 40]
  return {
    name,
    is: 'number',
    start: (random) => {
      let value = random.between(low, high)
      return (source) => {
        value += source.noise(0.05)
        if (value < low) value = 2 * low - value
        if (value > high) value = 2 * high - value
        return rounded(value)
      }
    },
  }
}

/** A draw has 32 bits; the second one fills what the first leaves empty of the fraction. */
function noisy(name: string): Metric {
  return { name, is: 'number', start: () => (source) => 20 + source.noise(5) + source.next() / 4_294_967_296 }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
