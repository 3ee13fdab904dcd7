// In the writer thread, before a commit: the one walk over a batch that seals its frames and finds what the commit has to know.
import type { DeviceId } from '../../../devices/device.ts'
import { Points } from '../../../devices/telemetry.ts'
import { frameFlags } from '../store.ts'
import type { DeviceState } from './device-state.ts'
import { type FrameCursor, frameKinds } from './frame.ts'
import { whyNotFlat, whyNotPoints } from './metric-schemas.ts'
import { readFlat, readTelemetry } from './projection.ts'
import { isRecord } from './record-rows.ts'

/**
 * Seals each frame, and voids checked telemetry that cannot be read, or that the type of its device does not allow. `deviceToCheck` gives the
 * device of a number: if it is in memory, and where there are such types each that is on record. A reading without points in
 * `checked` is to be read again: of the common forms that is faster than to keep them.
 */
export function inspect(
  cursor: FrameCursor,
  deviceToCheck: (number: number) => DeviceState | undefined,
): {
  refused: { seq: number; code: 'telemetry-invalid'; detail: string }[]
  checked: { points: Points; ends: number[] } | undefined
  devices: { number: number; id: DeviceId; atMs: number }[]
  /** Rows change with this batch: see `RecordRows`. */
  hasRecords: boolean
} {
  const toCheck = frameFlags.checked | frameFlags.telemetry
  const refused: { seq: number; code: 'telemetry-invalid'; detail: string }[] = []
  const devices: { number: number; id: DeviceId; atMs: number }[] = []
  let checked: { points: Points; ends: number[] } | undefined
  let hasRecords = false
  while (cursor.next()) {
    if (cursor.kind === frameKinds.device) devices.push({ number: cursor.device, id: cursor.topic(), atMs: cursor.atMs })
    else if (cursor.kind === frameKinds.message && (cursor.flags & toCheck) === toCheck) {
      checked ??= { points: new Points(), ends: [] }
      const device = deviceToCheck(cursor.device)
      const start = checked.points.count
      const detail = whyNot(cursor, device, checked.points)
      if (detail === undefined) checked.ends.push(checked.points.count)
      else {
        checked.points.count = start
        refused.push({ seq: cursor.seq, code: 'telemetry-invalid', detail })
        cursor.makeVoid()
      }
    }
    hasRecords ||= isRecord(cursor)
    cursor.seal()
  }
  return { refused, checked, devices, hasRecords }
}

/** The points of the common forms are not kept. */
function whyNot(cursor: FrameCursor, device: DeviceState | undefined, into: Points): string | undefined {
  if (device !== undefined && readFlat(cursor, device)) return whyNotFlat(device)
  const start = into.count
  return readTelemetry(cursor, device, into) ?? (device && whyNotPoints(device, into, start))
}
