// What a kind of simulated device is: how it behaves on the wire and what it measures.
import type { Random } from '../random.ts'

export type WireName = 'mqtt-3.1.1' | 'mqtt-5' | 'mqtt-websocket' | 'http'

/** One telemetry payload: metric names and values. */
export type Reading = Readonly<Record<string, number | boolean | string>>

/** Takes one reading after `seconds` more of the device's own time, so a test needs no clock and a slow run no excuses. */
export type Signal = (seconds: number) => Reading

export type Fault = 'none' | 'pull-cable' | 'go-silent'

export interface Profile {
  readonly says: string
  readonly wire: WireName
  /** Between two readings, unless the run says otherwise. */
  readonly everySeconds: number
  readonly keepAliveSeconds: number
  /** A session the hub keeps while the device is away. MQTT only. */
  readonly keepsSession: boolean
  start(random: Random): Signal
  /** Asked after each reading: what goes wrong now? Left out: nothing ever does. */
  fault?(random: Random): Fault
}

/** Sensors have a resolution; `21.400000000000002` would give the simulation away. */
export function rounded(value: number, decimals: number): number {
  const scale = 10 ** decimals
  return Math.round(value * scale) / scale
}
