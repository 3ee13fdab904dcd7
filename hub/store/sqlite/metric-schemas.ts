// In the writer thread: which metrics devices of a type may send. They are read from the documents of the types, which are written here: a
// type holds from the moment its commit is on disk, and a start knows it before it reads the journal back.
import type { Database } from 'better-sqlite3'
import { type DeviceType, type MetricSchema, readDeviceType, schemaOf, whyNotOfType } from '../../../devices/device-type.ts'
import type { Points } from '../../../devices/telemetry.ts'
import { limits } from '../../limits.ts'
import { type AccessChange, typeKind } from '../access.ts'
import type { DeviceState } from './device-state.ts'
import { flat, flatKinds } from './flat-reading.ts'

/** Those that can be read. */
export function readTypes(db: Database): DeviceType[] {
  const rows = db.prepare<[string], { id: string; body: string }>('SELECT id, body FROM access WHERE kind = ? ORDER BY id').all(typeKind)
  return rows.flatMap(({ id, body }) => typeIn(id, body) ?? [])
}

export class MetricSchemas {
  readonly #schemas = new Map<string, MetricSchema>()

  constructor(types: readonly DeviceType[]) {
    for (const type of types) this.#set(type.name, type)
  }

  /** No type says anything of metrics. */
  get isEmpty(): boolean {
    return this.#schemas.size === 0
  }

  of(type: string | null): MetricSchema | undefined {
    return type === null ? undefined : this.#schemas.get(type)
  }

  changed(changes: readonly AccessChange[]): void {
    for (const { kind, id, body } of changes) if (kind === typeKind) this.#set(id, body === null ? undefined : typeIn(id, body))
  }

  #set(name: string, type: DeviceType | undefined): void {
    const schema = type && schemaOf(type)
    if (schema === undefined) this.#schemas.delete(name)
    else this.#schemas.set(name, schema)
  }
}

/** Of the points from `start` on: why the device may not send them, by the first that it may not. */
export function whyNotPoints({ schema }: DeviceState, { metrics, values, count }: Points, start: number): string | undefined {
  if (schema === undefined) return undefined
  for (let at = start; at < count; at += 1) {
    const why = whyNotOfType(schema, metrics[at]!, values[at]!)
    if (why !== undefined) return why
  }
  return undefined
}

/** The same of the points that `readFlatReading` has read. */
export function whyNotFlat({ schema, series }: DeviceState): string | undefined {
  if (schema === undefined) return undefined
  const { count, indexes, numbers, kinds } = flat
  for (let at = 0; at < count; at += 1) {
    const kind = kinds[at]!
    const value = kind === flatKinds.number ? numbers[at]! : kind === flatKinds.true
    const why = whyNotOfType(schema, series[indexes[at]!]!.metric, value)
    if (why !== undefined) return why
  }
  return undefined
}

function typeIn(name: string, body: string): DeviceType | undefined {
  try {
    const type = readDeviceType(name, JSON.parse(body), limits)
    return typeof type === 'string' ? undefined : type
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
