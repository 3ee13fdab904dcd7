// What the store's tests need again and again: a store in a new folder, and the hub's part of the journal in a few words.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { MetricValue } from '../../devices/device.ts'
import { systemClock } from '../../hub/clock.ts'
import type { Refusal } from '../../hub/errors.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { type Changes, type Durability, frameFlags, type Store, type Waiter } from '../../hub/store/store.ts'
import type { ChartQuery, ChartSeries } from '../../hub/store/telemetry.ts'
import { atEnd } from '../kit/at-end.ts'

export function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-store-'))
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Closed with the test, unless the test did it. */
export async function openIn(t: TestContext, folder: string, durability: Durability = 'fsync'): Promise<Store> {
  const store = await openSqliteStore({ folder, durability, clock: systemClock })
  atEnd(t, () => store.close())
  return store
}

/** False, with the reason printed, where no small file system can be mounted. */
export function mountTmpfs(t: TestContext, folder: string, bytes: number): boolean {
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder])
  if (mount.status !== 0) {
    t.skip(`a small file system cannot be mounted here (${mount.error?.message ?? mount.stderr.toString().trim()})`)
    return false
  }
  atEnd(t, () => spawnSync('umount', ['-l', folder]))
  return true
}

export interface Publication {
  readonly device?: number
  readonly flags?: number
  readonly properties?: Uint8Array
}

/** Telemetry unless `flags` say otherwise. */
export function publish(store: Store, topic: string, payload: string | Uint8Array, publication: Publication = {}): number {
  const { device = 0, flags = frameFlags.telemetry, properties } = publication
  const bytes = Buffer.from(payload)
  // Between other bytes, as in a read buffer: an append must copy its part only.
  const around = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')])
  return store.journal.append(Buffer.from(topic), device, flags, properties, around, 6, 6 + bytes.length)
}

/** A reading of the device with this number, whose id is `pump-` and the number. */
export function reading(store: Store, device: number, payload: unknown, flags = 0): number {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  return publish(store, `devices/pump-${device}/telemetry`, text, { device, flags: frameFlags.telemetry | flags })
}

/** Resolves when all that was appended so far is stored; rejects with the refusal when it is not. */
export function stored(store: Store): Promise<number> {
  return new Promise((resolve, reject: (why: Refusal) => void) => {
    store.journal.after({ stored: (_, seq) => resolve(seq), failed: (_, why) => reject(why) }, 0)
  })
}

/** A waiter that writes down what it is told. */
export class Diary implements Waiter {
  readonly lines: string[] = []

  stored(token: number): void {
    this.lines.push(`${token} stored`)
  }

  failed(token: number, why: Refusal): void {
    this.lines.push(`${token} ${why.code}`)
  }
}

/** Hands out what `onChanges` brings, one after the other. */
export function changesOf(store: Store): () => Promise<Changes> {
  const arrived: Changes[] = []
  let wake = (): void => {}
  store.onChanges((changes) => {
    arrived.push(changes)
    wake()
  })
  return async () => {
    while (arrived.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return arrived.shift()!
  }
}

/** The points of one metric as pairs. */
export async function pointsOf(
  store: Store,
  deviceId: string,
  metric: string,
  fromMs = 0,
  toMs = Number.MAX_SAFE_INTEGER,
): Promise<[number, MetricValue][]> {
  const points: [number, MetricValue][] = []
  for await (const { times, values } of store.telemetry.scan({ devices: [deviceId], metrics: [metric], fromMs, toMs })) {
    for (const [at, atMs] of times.entries()) points.push([atMs, values[at]!])
  }
  return points
}

export async function chartOf(store: Store, query: ChartQuery): Promise<ChartSeries[]> {
  return read((await store.telemetry.chart(query)).json)
}

/** What an answer holds as JSON. */
export function read<Shape>(json: Uint8Array): Shape {
  return JSON.parse(Buffer.from(json).toString())
}

/** Runs a script of this folder with `folder`, and kills it `aliveMs` after it first said something. What it said. */
export async function killedWhileSaying(script: string, folder: string, aliveMs: number): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8')
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), aliveMs))
  child.stdout.on('data', (text: string) => (said += text))
  await once(child, 'close')
  return said
}

/** Takes away what versions 10 to 13 of the database brought, as SQL: gateways, twins, presences and events, commands. */
export const beforeVersion10 = `
  DROP TABLE twins; DROP TABLE twin_versions; DROP TABLE presences; DROP TABLE events;
  DROP TABLE command_bodies; DROP TABLE commands; DROP TABLE bulks;
  DROP INDEX devices_by_gateway; ALTER TABLE devices DROP COLUMN gateway;`
