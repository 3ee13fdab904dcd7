// In the writer thread: twins, as many in memory as there is room for. What changes one is merged here, and its row is written once in the
// transaction that brings the change, however often it was changed in it. When that fails, memory is forgotten and read again.
import { isUtf8 } from 'node:buffer'
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../devices/device.ts'
import { isEmpty, patchBetween } from '../../../devices/merge-patch.ts'
import { meaningOf } from '../../../devices/topics.ts'
import {
  changed,
  emptySection,
  isTwinName,
  type Part,
  type Section,
  type StatePatch,
  twinNameRule,
  whyNotState,
} from '../../../devices/twin.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { frameFlags } from '../store.ts'
import type { DesiredChange, DesiredOutcome, Twin, TwinChange } from '../twins.ts'
import type { FrameCursor } from './frame.ts'
import type { ReadRows } from './record-rows.ts'
import { nothingKept, TwinHistory } from './twin-history.ts'
import { inFull, readTwinRow, type TwinRead, type TwinRow, twinColumns } from './twin-row.ts'

/** A change makes another one of it. */
interface TwinInMemory extends TwinRead {
  readonly device: number
  readonly id: DeviceId
}

interface Merged {
  readonly twin: TwinInMemory
  /** It is another version. */
  readonly isChanged: boolean
}

export class TwinRows implements ReadRows {
  readonly #tell: (changes: readonly TwinChange[]) => void
  readonly #history: TwinHistory
  /** By device and name; the one that was used last stands last. */
  #cache = new Map<string, TwinInMemory>()
  #cacheBytes = 0
  /** Changed and not yet in their rows: what they were before. */
  #before = new Map<string, TwinInMemory>()
  /** To be told when the transaction is on disk. */
  #changes: TwinChange[] = []
  readonly #sql

  /** `tell` is called with what was committed. */
  constructor(db: Database, tell: (changes: readonly TwinChange[]) => void) {
    this.#tell = tell
    this.#history = new TwinHistory(db)
    this.#sql = {
      id: db.prepare<[number], DeviceId>('SELECT id FROM devices WHERE number = ?').pluck(),
      number: db.prepare<[DeviceId], number>('SELECT number FROM devices WHERE id = ?').pluck(),
      count: db.prepare<[number], number>('SELECT count(*) FROM twins WHERE device = ?').pluck(),
      read: db.prepare<[number, string], TwinRow>(`SELECT ${twinColumns} FROM twins WHERE device = ? AND name = ?`),
      write: db.prepare(`
        INSERT INTO twins (device, name, version, at_ms, desired_version, desired, desired_times, reported, reported_times, kept_versions, kept_bytes)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device, name) DO UPDATE SET version = excluded.version, at_ms = excluded.at_ms,
          desired_version = excluded.desired_version, desired = excluded.desired, desired_times = excluded.desired_times,
          reported = excluded.reported, reported_times = excluded.reported_times,
          kept_versions = excluded.kept_versions, kept_bytes = excluded.kept_bytes`),
      remove: db.prepare('DELETE FROM twins WHERE device = ? AND name = ?'),
      removeVersions: db.prepare('DELETE FROM twin_versions WHERE device = ? AND twin = ?'),
      refuse: db.prepare('UPDATE devices SET refusal_at_ms = ?, refusal_topic = ?, refusal_sentence = ? WHERE number = ?'),
    }
  }

  // ── within a transaction ──

  take(cursor: FrameCursor): string | undefined {
    const { device, atMs } = cursor
    const topic = cursor.topic()
    const meaning = meaningOf(topic)
    if (meaning.is !== 'reported') return undefined
    const id = this.#cache.get(keyOf(device, meaning.twin))?.id ?? this.#sql.id.get(device)
    if (id === undefined) return undefined // it was deleted: what is left of it on its way is passed over
    const patch = readPatch(cursor)
    const why = typeof patch === 'string' ? patch : this.#merge(this.#twinOf(device, id, meaning.twin), 'reported', patch, atMs, null)
    if (typeof why === 'object') return undefined
    const isAnswered = (cursor.flags & frameFlags.checked) !== 0
    if (!isAnswered) this.#sql.refuse.run(atMs, topic, new Refusal('twin-invalid', { detail: why }).message, device)
    return why
  }

  /** Errors: those of `Twins.change`. */
  change(change: DesiredChange): Twin {
    return inFull(this.#change(change).twin)
  }

  /** The same of one among several: what is refused is its outcome. */
  changeOne(change: DesiredChange): DesiredOutcome {
    const { device } = change
    try {
      const { twin, isChanged } = this.#change(change)
      return { device, version: twin.version, changed: isChanged }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { device, refused: error.code, sentence: error.message }
    }
  }

  /** False when there is none. Errors: `twin-changed`. */
  remove(id: DeviceId, name: string, ifVersion: number | undefined): boolean {
    const device = this.#sql.number.get(id)
    const twin = device === undefined ? undefined : this.#find(device, id, name)
    if (twin === undefined) return false
    assertVersion(twin, ifVersion)
    this.#sql.remove.run(twin.device, name)
    this.#sql.removeVersions.run(twin.device, name)
    this.#history.gone(twin.kept)
    this.#forgetOne(keyOf(twin.device, name))
    const gone = { ...twin, version: twin.version + 1, desired: emptySection, reported: emptySection }
    this.#changes.push({ ...changeOf(twin, gone), isGone: true })
    return true
  }

  /** What was changed goes into its rows. */
  flush(): void {
    for (const [key, before] of this.#before) {
      const now = this.#cache.get(key)!
      const kept = this.#history.trim(now.device, now.name, now.kept)
      const written = this.#write({ ...now, kept })
      this.#put(key, written)
      if (now.version !== before.version) this.#changes.push(changeOf(before, now))
    }
    this.#before.clear()
    if (this.#history.trimAll()) this.#forgetAll() // what is in memory says that more is kept
    for (const [key] of this.#cache) {
      if (this.#cacheBytes <= limits.twinCacheBytes) return
      this.#forgetOne(key)
    }
  }

  // ── behind it ──

  /** It is on disk. */
  committed(): void {
    for (let at = 0; at < this.#changes.length; at += limits.twinsTold) this.#tell(this.#changes.slice(at, at + limits.twinsTold))
    this.#changes = []
  }

  /** It is not. */
  rolledBack(): void {
    this.#forgetAll()
    this.#before.clear()
    this.#changes = []
    this.#history.recount()
  }

  /** The device is deleted, and its rows with it. */
  forget(device: number): void {
    for (const [key, twin] of this.#cache) if (twin.device === device) this.#forgetOne(key)
    this.#history.recount()
  }

  #change({ device: id, twin: name, patch, ifVersion, at, by }: DesiredChange): Merged {
    const device = this.#sql.number.get(id)
    if (device === undefined) throw new Refusal('device-unknown', { id })
    const twin = this.#twinOf(device, id, name)
    assertVersion(twin, ifVersion)
    const merged = this.#merge(twin, 'desired', patch, at, by)
    if (typeof merged === 'string') throw new Refusal('twin-invalid', { detail: merged })
    return merged
  }

  /** The twin after the change, or the clause that says why it is refused. */
  #merge(twin: TwinInMemory, part: Part, patch: StatePatch, atMs: number, who: string | null): Merged | string {
    if (!isTwinName(twin.name)) return twinNameRule
    const { device, name, kept } = twin
    if (twin.bytes === 0 && (this.#sql.count.get(device) ?? 0) >= limits.twinsPerDevice)
      return `the device has ${limits.twinsPerDevice} twins (limits.twinsPerDevice)`
    const section = changed(twin[part], patch, atMs, limits)
    if (typeof section === 'string') return section
    const undo = patchBetween(section.state, twin[part].state)
    const said = { ...twin, [part]: section }
    if (isEmpty(undo)) return { twin: this.#hold(twin, said), isChanged: false }
    const version = twin.version + 1
    const next = {
      ...said,
      version,
      atMs,
      desiredVersion: part === 'desired' ? version : twin.desiredVersion,
      kept: this.#history.add(device, name, kept, { version, at: atMs }, part, who, undo),
    }
    return { twin: this.#hold(twin, next), isChanged: true }
  }

  #hold(before: TwinInMemory, after: TwinInMemory): TwinInMemory {
    const key = keyOf(after.device, after.name)
    if (!this.#before.has(key)) this.#before.set(key, before)
    this.#put(key, before.bytes > 0 ? after : this.#write(after)) // a new one counts among those of its device from now on
    if (this.#cacheBytes > 2 * limits.twinCacheBytes) this.flush() // a batch may bring more than there is room for
    return after
  }

  #write(twin: TwinInMemory): TwinInMemory {
    const { device, name, version, atMs, desiredVersion, desired, reported, kept } = twin
    const texts = [desired.state, desired.times, reported.state, reported.times].map((object) => JSON.stringify(object))
    this.#sql.write.run(device, name, version, atMs, desiredVersion, ...texts, kept.versions, kept.bytes)
    return { ...twin, bytes: texts.reduce((bytes, text) => bytes + text.length, name.length) }
  }

  /** A new one, when there is none. */
  #twinOf(device: number, id: DeviceId, name: string): TwinInMemory {
    return (
      this.#find(device, id, name) ?? {
        ...{ device, id, name, version: 0, atMs: 0, desiredVersion: 0, desired: emptySection, reported: emptySection },
        kept: nothingKept,
        bytes: 0,
      }
    )
  }

  #find(device: number, id: DeviceId, name: string): TwinInMemory | undefined {
    const key = keyOf(device, name)
    const known = this.#cache.get(key)
    if (known !== undefined) {
      this.#cache.delete(key)
      this.#cache.set(key, known)
      return known
    }
    const row = this.#sql.read.get(device, name)
    if (row === undefined) return undefined
    const twin = { device, id, ...readTwinRow(row) }
    this.#put(key, twin)
    return twin
  }

  #put(key: string, twin: TwinInMemory): void {
    this.#cacheBytes += twin.bytes - (this.#cache.get(key)?.bytes ?? 0)
    this.#cache.delete(key)
    this.#cache.set(key, twin)
  }

  #forgetOne(key: string): void {
    this.#cacheBytes -= this.#cache.get(key)?.bytes ?? 0
    this.#cache.delete(key)
    this.#before.delete(key)
  }

  #forgetAll(): void {
    this.#cache = new Map()
    this.#cacheBytes = 0
  }
}

/** A number, then a name without a slash. */
function keyOf(device: number, name: string): string {
  return `${device}/${name}`
}

/** The patch, or the clause that says why it is none. */
function readPatch(cursor: FrameCursor): StatePatch | string {
  const text = cursor.bytes.toString('utf8', cursor.payloadStart, cursor.end)
  // The replacement character is rare in text that is right, so only then the bytes are looked at again.
  if (text.includes('\ufffd') && !isUtf8(cursor.payload())) return 'it is not UTF-8'
  try {
    const patch: unknown = JSON.parse(text)
    return whyNotState(patch, limits) ?? (patch as StatePatch)
  } catch (error) {
    return `it is not JSON: ${(error as Error).message}`
  }
}

function assertVersion({ id, name, version }: TwinInMemory, ifVersion: number | undefined): void {
  if (ifVersion !== undefined && ifVersion !== version) throw new Refusal('twin-changed', { twin: name, device: id, version })
}

function changeOf(before: TwinInMemory, { id, name, version, atMs, desired, reported }: TwinInMemory): TwinChange {
  return {
    device: id,
    twin: name,
    version,
    at: atMs,
    desired: told(before.desired, desired),
    reported: told(before.reported, reported),
    isGone: false,
  }
}

function told(before: Section, now: Section): string | null | undefined {
  if (now === before) return undefined
  const patch = patchBetween(before.state, now.state)
  if (isEmpty(patch)) return undefined
  const text = JSON.stringify(patch)
  return text.length > limits.twinToldBytes ? null : text
}
