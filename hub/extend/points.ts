// The points of a message, for handlers: read in the loop where it is short, in a thread where it is long.
import { Points, parseTelemetry } from '../../devices/telemetry.ts'
import { limits } from '../limits.ts'
import type { Point } from './extension.ts'

/** Empty for what is no telemetry: the device's page says why. Runs in a thread as well, hence bytes. */
export function pointsOf(payload: Uint8Array, metric: string | undefined, atMs: number): Point[] {
  const read = new Points()
  parseTelemetry(new TextDecoder().decode(payload), metric, atMs, limits, read)
  return Array.from({ length: read.count }, (_, at) => ({
    metric: read.metrics[at] as string,
    at: read.times[at] as number,
    value: read.values[at] ?? null,
  }))
}
