// What is said of devices: found by it in the reader thread, changed in the writer's.
import type { Database } from 'better-sqlite3'
import { changedTags, type DeviceChange, type DeviceId, type Tags } from '../../../devices/device.ts'
import { type Child, whyNotGateway } from '../../../devices/gateway.ts'
import { merged } from '../../../devices/merge-patch.ts'
import { type Metadata, whyTooLarge } from '../../../devices/metadata.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { DeviceQuery } from '../store.ts'
import { deviceConditions } from './query/selections.ts'
import { withoutTraces } from './traces.ts'

/** The ids of one page, in order, and how many devices match on all pages. With a tag asked for, 10,000 devices take 10 ms, nearly all of it the count. */
export function pageOfDevices(
  db: Database,
  { after = '', search = '', gateway, among, limit, ...asked }: DeviceQuery,
): { ids: DeviceId[]; total: number } {
  const conditions = deviceConditions(asked)
  if (search !== '') {
    const like = `%${search.replace(/[\\%_]/g, '\\$&')}%`
    conditions.push({ sql: `(id LIKE ? ESCAPE '\\' OR name LIKE ? ESCAPE '\\')`, values: [like, like] })
  }
  if (gateway !== undefined) conditions.push({ sql: 'gateway = ?', values: [gateway] })
  if (among !== undefined) conditions.push({ sql: 'id IN (SELECT value FROM json_each(?))', values: [JSON.stringify(among)] })
  const values = conditions.flatMap(({ values }) => values)
  const where = conditions.map(({ sql }) => ` AND ${sql}`).join('')
  const page = db.prepare<(string | number)[], DeviceId>(`SELECT id FROM devices WHERE id > ?${where} ORDER BY id LIMIT ?`).pluck()
  const total = db.prepare<string[], number>(`SELECT count(*) FROM devices WHERE true${where}`).pluck()
  return { ids: page.all(after, ...values, limit), total: total.get(...values) ?? 0 }
}

/** Those that have a gateway. */
export function readChildren(db: Database): Child[] {
  const rows = db.prepare<[], Child & { readonly tags: string }>('SELECT id, gateway, tags FROM devices WHERE gateway IS NOT NULL').all()
  return rows.map(({ id, gateway, tags }) => ({ id, gateway, tags: JSON.parse(tags) as Tags }))
}

/** False when there is no such device. Of metadata that is replaced nothing stays. Errors: `device-invalid`, `gateway-invalid`. */
export function describeDevice(db: Database, id: DeviceId, change: DeviceChange): boolean {
  const row = db.prepare<[string], DescribedRow>('SELECT number, name, type, tags, gateway FROM devices WHERE id = ?').get(id)
  if (row === undefined) return false
  if (change.metadata === undefined) db.transaction(() => describeRow(db, id, row, change))()
  else withoutTraces(db, () => describeRow(db, id, row, change))
  return true
}

interface DescribedRow {
  readonly number: number
  readonly name: string
  readonly type: string | null
  readonly tags: string
  readonly gateway: DeviceId | null
}

function describeRow(db: Database, id: DeviceId, row: DescribedRow, { name, type, tags, gateway, metadata }: DeviceChange): void {
  const changed = changedTags(JSON.parse(row.tags) as Tags, tags)
  if (Object.keys(changed).length > limits.tagsPerDevice)
    throw new Refusal('device-invalid', { detail: `it would have more than ${limits.tagsPerDevice} tags (limits.tagsPerDevice)` })
  if (typeof gateway === 'string') assertGateway(db, gateway, id)
  db.prepare('UPDATE devices SET name = ?, type = ?, tags = ?, gateway = ? WHERE number = ?').run(
    name === undefined ? row.name : (name ?? id),
    type === undefined ? row.type : type,
    JSON.stringify(changed),
    gateway === undefined ? row.gateway : gateway,
    row.number,
  )
  if (metadata === null) db.prepare('DELETE FROM metadata WHERE device = ?').run(row.number)
  else if (metadata !== undefined) mergeMetadata(db, row.number, metadata)
}

/** Errors: `gateway-invalid`. */
function assertGateway(db: Database, gateway: DeviceId, child: DeviceId): void {
  const above = db.prepare<[string], DeviceId | null>('SELECT gateway FROM devices WHERE id = ?').pluck()
  const below = db.prepare<[string], number>('SELECT 1 FROM devices WHERE gateway = ? LIMIT 1').pluck()
  const why = whyNotGateway(gateway, child, {
    has: (id) => above.get(id) !== undefined,
    gatewayOf: (id) => above.get(id),
    hasChildren: (id) => below.get(id) !== undefined,
  })
  if (why !== undefined) throw new Refusal('gateway-invalid', { detail: why })
}

function mergeMetadata(db: Database, device: number, patch: Metadata): void {
  const before = db.prepare<[number], string>('SELECT body FROM metadata WHERE device = ?').pluck().get(device)
  const after = merged(JSON.parse(before ?? '{}'), patch)
  const why = whyTooLarge(after, limits)
  if (why !== undefined) throw new Refusal('device-invalid', { detail: why })
  db.prepare('INSERT INTO metadata (device, body) VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET body = excluded.body').run(
    device,
    JSON.stringify(after),
  )
}
