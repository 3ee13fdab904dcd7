// In threads that read: which devices and series are spoken of.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../../devices/device.ts'
import type { DeviceCondition } from '../../../../devices/device-group.ts'
import type { Selection } from '../../telemetry.ts'

export interface SelectedSeries {
  readonly series: number
  /** Its device's number. */
  readonly number: number
  readonly device: DeviceId
  readonly metric: string
  readonly type: string | null
  readonly createdMs: number
  /** JSON. */
  readonly tags: string
}

export interface Condition {
  /** Over `devices`, and `series` where there is a metric in it. */
  readonly sql: string
  readonly values: readonly string[]
}

/** What is asked of devices besides their ids. */
export function deviceConditions({ type, tags = [], where = [] }: Pick<Selection, 'type' | 'tags' | 'where'>): Condition[] {
  return [
    ...(type === undefined ? [] : [{ sql: 'devices.type = ?', values: [type] }]),
    // Quoted, because a name may have dots; it has no quotation marks, by the rules for names.
    ...tags.map(({ name, value }) => ({ sql: 'devices.tags ->> ? = ?', values: [`$."${name}"`, value] })),
    ...where.map(conditionOf),
  ]
}

function conditionOf({ tag, value, isSo }: DeviceCondition): Condition {
  const said = tag === undefined ? 'devices.type' : 'devices.tags ->> ?'
  const path = tag === undefined ? [] : [`$."${tag}"`]
  if (value === undefined) return { sql: `${said} IS ${isSo ? 'NOT NULL' : 'NULL'}`, values: path }
  return { sql: `${said} IS ${isSo ? '' : 'NOT '}?`, values: [...path, value] }
}

/** The devices of a selection. */
export function deviceCondition({ devices, ...asked }: Selection): Condition {
  const conditions = deviceConditions(asked)
  if (devices !== undefined) {
    conditions.unshift({ sql: 'devices.id IN (SELECT value FROM json_each(?))', values: [JSON.stringify(devices)] })
  }
  if (conditions.length === 0) return { sql: 'TRUE', values: [] }
  return { sql: conditions.map(({ sql }) => sql).join(' AND '), values: conditions.flatMap(({ values }) => values) }
}

export function selectedDevices(db: Database, selection: Selection): DeviceId[] {
  const { sql, values } = deviceCondition(selection)
  return db
    .prepare<string[], DeviceId>(`SELECT id FROM devices WHERE ${sql}`)
    .pluck()
    .all(...values)
}

/** What the hub itself measures of devices is there for those who ask for it by name. */
export const notOwn = "series.metric NOT GLOB '$*'"

/** By device id, then metric. */
export function selectedSeries(db: Database, selection: Selection): SelectedSeries[] {
  const { sql, values } = deviceCondition(selection)
  const metrics = selection.metrics === undefined ? `AND ${notOwn}` : 'AND series.metric IN (SELECT value FROM json_each(?))'
  const all = selection.metrics === undefined ? values : [...values, JSON.stringify(selection.metrics)]
  return db
    .prepare<string[], SelectedSeries>(`
      SELECT series.id AS series, devices.number AS number, devices.id AS device, metric, type, created_ms AS createdMs, tags
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
