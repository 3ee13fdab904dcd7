// In a query thread: which series a query speaks of.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../devices/device.ts'
import type { Selection } from '../telemetry.ts'

export interface SelectedSeries {
  readonly series: number
  /** Its device's number. */
  readonly number: number
  readonly device: DeviceId
  readonly metric: string
  readonly type: string | null
  /** JSON. */
  readonly tags: string
}

export interface Condition {
  /** Over `devices`, and `series` where there is a metric in it. */
  readonly sql: string
  readonly values: readonly string[]
}

/** The devices of a selection. */
export function deviceCondition({ devices, type, tags = [] }: Selection): Condition {
  const conditions: string[] = []
  const values: string[] = []
  if (devices !== undefined) {
    conditions.push('devices.id IN (SELECT value FROM json_each(?))')
    values.push(JSON.stringify(devices))
  }
  if (type !== undefined) {
    conditions.push('devices.type = ?')
    values.push(type)
  }
  for (const { name, value } of tags) {
    conditions.push('EXISTS (SELECT 1 FROM json_each(devices.tags) WHERE key = ? AND value = ?)')
    values.push(name, value)
  }
  return { sql: conditions.length === 0 ? 'TRUE' : conditions.join(' AND '), values }
}

export function selectedDevices(db: Database, selection: Selection): DeviceId[] {
  const { sql, values } = deviceCondition(selection)
  return db
    .prepare<string[], DeviceId>(`SELECT id FROM devices WHERE ${sql}`)
    .pluck()
    .all(...values)
}

/** By device id, then metric. */
export function selectedSeries(db: Database, selection: Selection): SelectedSeries[] {
  const { sql, values } = deviceCondition(selection)
  const metrics = selection.metrics === undefined ? '' : 'AND series.metric IN (SELECT value FROM json_each(?))'
  const all = selection.metrics === undefined ? values : [...values, JSON.stringify(selection.metrics)]
  return db
    .prepare<string[], SelectedSeries>(`
      SELECT series.id AS series, devices.number AS number, devices.id AS device, metric, type, tags
      FROM devices JOIN series ON series.device = devices.number
      WHERE ${sql} ${metrics} ORDER BY devices.id, metric`)
    .all(...all)
}

/** Series of the same device stand together. */
export function byDevice(selected: readonly SelectedSeries[]): Map<number, SelectedSeries[]> {
  const devices = new Map<number, SelectedSeries[]>()
  for (const one of selected) {
    const before = devices.get(one.number)
    if (before === undefined) devices.set(one.number, [one])
    else before.push(one)
  }
  return devices
}
