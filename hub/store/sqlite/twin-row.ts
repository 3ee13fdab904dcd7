// A twin as it lies in its row, and as it is answered.
import type { JsonObject } from '../../../devices/merge-patch.ts'
import { deltaOf, type Section } from '../../../devices/twin.ts'
import type { Twin } from '../twins.ts'
import type { Kept } from './twin-history.ts'

export const twinColumns = `name, version, at_ms AS atMs, desired_version AS desiredVersion, desired, desired_times AS desiredTimes,
  reported, reported_times AS reportedTimes, kept_versions AS keptVersions, kept_bytes AS keptBytes`

export interface TwinRow {
  readonly name: string
  readonly version: number
  readonly atMs: number
  readonly desiredVersion: number
  readonly desired: string
  readonly desiredTimes: string
  readonly reported: string
  readonly reportedTimes: string
  readonly keptVersions: number
  readonly keptBytes: number
}

export interface TwinRead {
  readonly name: string
  readonly version: number
  readonly atMs: number
  /** The last version that changed what is desired; 0 when nothing ever was. */
  readonly desiredVersion: number
  readonly desired: Section
  readonly reported: Section
  /** Of its history. */
  readonly kept: Kept
  /** Of its row, as text; 0 for one that has none. */
  readonly bytes: number
}

export function readTwinRow(row: TwinRow): TwinRead {
  const { name, version, atMs, desiredVersion, desired, desiredTimes, reported, reportedTimes, keptVersions, keptBytes } = row
  return {
    ...{ name, version, atMs, desiredVersion },
    desired: { state: objectIn(desired), times: objectIn(desiredTimes) },
    reported: { state: objectIn(reported), times: objectIn(reportedTimes) },
    kept: { versions: keptVersions, bytes: keptBytes },
    bytes: name.length + desired.length + desiredTimes.length + reported.length + reportedTimes.length,
  }
}

export function inFull({ name, version, atMs, desired, reported }: TwinRead): Twin {
  return {
    ...{ twin: name, version, at: atMs, desired: desired.state, reported: reported.state },
    delta: deltaOf(desired.state, reported.state),
    times: { desired: desired.times, reported: reported.times },
  }
}

function objectIn(text: string): JsonObject {
  return JSON.parse(text) as JsonObject
}
