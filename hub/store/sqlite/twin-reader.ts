// In the reader thread: twins as they are, and as they were.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../devices/device.ts'
import { isEmpty, patchBetween } from '../../../devices/merge-patch.ts'
import { deltaOf } from '../../../devices/twin.ts'
import type { DesiredState, Twin, TwinDifference, TwinInList, TwinState, TwinSteps, TwinVersion } from '../twins.ts'
import { type States, TwinPast } from './twin-history.ts'
import { inFull, readTwinRow, type TwinRead, type TwinRow, twinColumns } from './twin-row.ts'

interface Found extends TwinRead {
  readonly device: number
}

/** Each question within one transaction. */
export class TwinReader {
  readonly #past: TwinPast
  readonly #sql

  constructor(db: Database) {
    this.#past = new TwinPast(db)
    const columns = `device, ${twinColumns.replace('name', 'twins.name')}`
    const ofDevice = `SELECT ${columns} FROM devices JOIN twins ON device = number WHERE id = ?`
    this.#sql = {
      one: db.prepare<[DeviceId, string], TwinRow & { device: number }>(`${ofDevice} AND twins.name = ?`),
      all: db.prepare<[DeviceId], TwinRow & { device: number }>(`${ofDevice} ORDER BY twins.name`),
    }
  }

  read(device: DeviceId, twin: string): Twin | undefined {
    const found = this.#find(device, twin)
    return found && inFull(found)
  }

  list(device: DeviceId): TwinInList[] {
    return this.#sql.all.all(device).map((row) => {
      const { name, version, atMs, desired, reported } = readTwinRow(row)
      return { twin: name, version, at: atMs, isSettled: isEmpty(deltaOf(desired.state, reported.state)) }
    })
  }

  at(device: DeviceId, twin: string, ms: number): TwinState | undefined {
    const found = this.#find(device, twin)
    const states = found && this.#past.at(found.device, twin, statesOf(found), ms)
    return states && { ...states, delta: deltaOf(states.desired, states.reported) }
  }

  versions(device: DeviceId, twin: string, before: number, limit: number): TwinSteps {
    const found = this.#find(device, twin)
    return found === undefined ? { versions: [], hasMore: false } : this.#past.steps(found.device, twin, statesOf(found), before, limit)
  }

  difference(device: DeviceId, twin: string, fromMs: number, toMs: number): TwinDifference | undefined {
    const found = this.#find(device, twin)
    if (found === undefined) return undefined
    const [from, to] = [fromMs, toMs].map((ms) => this.#past.at(found.device, twin, statesOf(found), ms))
    if (from === undefined || to === undefined) return undefined
    const [desired, reported] = (['desired', 'reported'] as const).map((part) => patchBetween(from[part], to[part]))
    return { from: versionOf(from), to: versionOf(to), desired: desired!, reported: reported! }
  }

  desired(asked: readonly { readonly device: DeviceId; readonly twin: string | undefined }[]): DesiredState[] {
    return asked.flatMap(({ device, twin }) => {
      const rows = twin === undefined ? this.#sql.all.all(device) : [this.#sql.one.get(device, twin)].filter((row) => row !== undefined)
      return rows
        .filter(({ desiredVersion }) => desiredVersion > 0)
        .map((row) => ({ device, twin: row.name, json: said(readTwinRow(row)) }))
    })
  }

  #find(device: DeviceId, twin: string): Found | undefined {
    const row = this.#sql.one.get(device, twin)
    return row && { ...readTwinRow(row), device: row.device }
  }
}

function statesOf({ version, atMs, desired, reported }: TwinRead): States {
  return { version, at: atMs, desired: desired.state, reported: reported.state }
}

function versionOf({ version, at }: TwinVersion): TwinVersion {
  return { version, at }
}

function said({ version, desired: { state }, reported }: TwinRead): string {
  const delta = deltaOf(state, reported.state)
  return JSON.stringify({ version, state, ...(isEmpty(delta) ? {} : { delta }) })
}
