// In a query thread: the newest values of many devices as JSON, written by SQLite where the tables have them, and by the writer thread for
// devices with points in memory.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../devices/device.ts'
import type { LatestPage, LatestQuery } from '../telemetry.ts'
import { deviceCondition } from './selections.ts'

/** What the writer thread has in memory that is newer than the tables: the whole answer of these devices. */
export interface Moved {
  readonly devices: readonly DeviceId[]
  /** Of each device the JSON object of its newest values, by metric. */
  readonly latest: readonly string[]
}

export class LatestReader {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The ids of one page, in ascending order, and where the next one goes on. */
  ids({ after = '', limit, ...selection }: LatestQuery): { ids: DeviceId[]; next: DeviceId | undefined } {
    const { sql, values } = deviceCondition(selection)
    const ids = this.#db
      .prepare<(string | number)[], DeviceId>(`SELECT id FROM devices WHERE id > ? AND ${sql} ORDER BY id LIMIT ?`)
      .pluck()
      .all(after, ...values, limit + 1)
    return ids.length > limit ? { ids: ids.slice(0, limit), next: ids[limit - 1] } : { ids, next: undefined }
  }

  page(ids: readonly DeviceId[], { devices, latest }: Moved, metrics: readonly string[] | undefined): Omit<LatestPage, 'next'> {
    const moved = new Map(devices.map((id, at) => [id, latest[at]!]))
    const stored = this.#stored(
      ids.filter((id) => !moved.has(id)),
      metrics,
    )
    const parts = ids.map((id) => `{"device":${JSON.stringify(id)},"latest":${moved.get(id) ?? stored.get(id) ?? '{}'}}`)
    return { json: new TextEncoder().encode(`[${parts.join(',')}]`), count: ids.length }
  }

  #stored(ids: readonly DeviceId[], metrics: readonly string[] | undefined): Map<DeviceId, string> {
    if (ids.length === 0) return new Map()
    const condition = metrics === undefined ? '' : 'WHERE metric IN (SELECT value FROM json_each(?))'
    const rows = this.#db
      .prepare<string[], [DeviceId, string]>(`
        SELECT devices.id, '{' || group_concat(json_quote(metric) || ':{"at":' || at || ',"value":' || last_value || '}') || '}'
        FROM json_each(?) AS asked
        JOIN devices ON devices.id = asked.value
        JOIN (SELECT device, metric, iif(last_ms = CAST(last_ms AS INTEGER), CAST(last_ms AS INTEGER), last_ms) AS at, last_value FROM series)
          AS series ON series.device = devices.number
        ${condition} GROUP BY devices.id`)
      .raw()
      .all(JSON.stringify(ids), ...(metrics === undefined ? [] : [JSON.stringify(metrics)]))
    return new Map(rows)
  }
}
