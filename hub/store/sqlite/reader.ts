// The reader thread: a connection that cannot write. What it answers is one moment of the database.

import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Device, DeviceId, Latest, Tags } from '../../../devices/device.ts'
import type { Metadata } from '../../../devices/metadata.ts'
import { neverConnected, type Presence } from '../../../devices/presence.ts'
import type { AccessRecord, AuditQuery } from '../access.ts'
import type { CommandCounts, CommandQuery, StoredBulk, StoredCommand } from '../commands.ts'
import type { DeviceEvent, EventQuery, StoredPresence } from '../events.ts'
import type { DeviceQuery, PastPage, PastQuery, StoredDelivery } from '../store.ts'
import type { DesiredState, Twin, TwinDifference, TwinInList, TwinState, TwinSteps, Twins } from '../twins.ts'
import { readAccess } from './access-rows.ts'
import { type AuditLook, AuditReader } from './audit-log.ts'
import { CommandReader } from './command-rows.ts'
import { pageOfDevices } from './device-rows.ts'
import { listEvents } from './event-rows.ts'
import { type LastLook, Past } from './past.ts'
import { readPresences } from './presence-rows.ts'
import { notOwn } from './query/selections.ts'
import { OwedReader, readSessions, type SessionColumns } from './session-rows.ts'
import { serve } from './thread.ts'
import { TwinReader } from './twin-reader.ts'

export interface ReaderFunctions {
  readonly [name: string]: (...args: never[]) => unknown
  open(folder: string): void
  /** The ids of one page, in order, and how many devices match on all pages. */
  page(query: DeviceQuery): { ids: DeviceId[]; total: number }
  /** The devices on record among these. */
  devices(ids: readonly DeviceId[], withMetadata: boolean): Device[]
  sessions(): SessionColumns[]
  /** What the session is owed, up to this place. */
  owed(session: number, lastPlace: number): StoredDelivery[]
  past(query: PastQuery): PastPage
  last(filters: readonly string[], count: number, toSeq: number): LastLook
  seqAt(ms: number): number
  access(): AccessRecord[]
  audit(query: AuditQuery, before: number, wanted: number): AuditLook
  twin(device: DeviceId, twin: string): Twin | undefined
  twins(device: DeviceId): TwinInList[]
  twinAt(device: DeviceId, twin: string, ms: number): TwinState | undefined
  twinVersions(device: DeviceId, twin: string, before: number, limit: number): TwinSteps
  twinDifference(device: DeviceId, twin: string, fromMs: number, toMs: number): TwinDifference | undefined
  desired(asked: Parameters<Twins['desired']>[0]): DesiredState[]
  presences(): StoredPresence[]
  events(query: EventQuery): DeviceEvent[]
  openCommands(afterNumber: number): StoredCommand[]
  newestCommand(): number
  command(number: number): StoredCommand | undefined
  commands(query: CommandQuery): StoredCommand[]
  commandCounts(sinceMs: number): CommandCounts
  bulk(number: number): StoredBulk | undefined
  bulks(): StoredBulk[]
  close(): void
}

interface DeviceRow {
  readonly number: number
  readonly id: DeviceId
  readonly name: string
  readonly type: string | null
  readonly tags: string
  readonly gateway: DeviceId | null
  readonly createdAt: number
  readonly lastSeenAt: number | null
  readonly refusalAtMs: number | null
  readonly refusalTopic: string | null
  readonly refusalSentence: string | null
  readonly presence: string | null
}

class Reader {
  readonly #db: Database.Database
  readonly #owed: OwedReader
  readonly #past: Past
  readonly #audit: AuditReader
  readonly #twins: TwinReader
  readonly commands: CommandReader
  readonly #sql

  constructor(folder: string) {
    this.#db = new Database(join(folder, 'mooring.db'), { readonly: true })
    this.#db.pragma('busy_timeout = 2000')
    this.#owed = new OwedReader(this.#db)
    this.#past = new Past(this.#db)
    this.#audit = new AuditReader(this.#db)
    this.#twins = new TwinReader(this.#db)
    this.commands = new CommandReader(this.#db)
    this.#sql = {
      device: this.#db.prepare<[string], DeviceRow>(`
        SELECT number, id, name, type, tags, gateway, created_ms AS createdAt, last_seen_ms AS lastSeenAt,
          refusal_at_ms AS refusalAtMs, refusal_topic AS refusalTopic, refusal_sentence AS refusalSentence,
          (SELECT body FROM presences WHERE device = number) AS presence
        FROM devices WHERE id = ?`),
      latest: this.#db
        .prepare<[number], string>(`SELECT coalesce(group_concat(newest ORDER BY metric), '') FROM series WHERE device = ? AND ${notOwn}`)
        .pluck(),
      metadata: this.#db.prepare<[number], string>('SELECT body FROM metadata WHERE device = ?').pluck(),
    }
  }

  page(query: DeviceQuery): { ids: DeviceId[]; total: number } {
    return this.#atOneMoment(() => pageOfDevices(this.#db, query))
  }

  devices(ids: readonly DeviceId[], withMetadata: boolean): Device[] {
    return this.#atOneMoment(() => ids.map((id) => this.#device(id, withMetadata)).filter((device) => device !== undefined))
  }

  sessions(): SessionColumns[] {
    return this.#atOneMoment(() => readSessions(this.#db))
  }

  owed(session: number, lastPlace: number): StoredDelivery[] {
    return this.#owed.read(session, lastPlace)
  }

  past(query: PastQuery): PastPage {
    return this.#atOneMoment(() => this.#past.page(query))
  }

  last(filters: readonly string[], count: number, toSeq: number): LastLook {
    return this.#atOneMoment(() => this.#past.last(filters, count, toSeq))
  }

  seqAt(ms: number): number {
    return this.#atOneMoment(() => this.#past.seqAt(ms))
  }

  access(): AccessRecord[] {
    return readAccess(this.#db)
  }

  audit(query: AuditQuery, before: number, wanted: number): AuditLook {
    return this.#atOneMoment(() => this.#audit.look(query, before, wanted))
  }

  twins<Answer>(read: (twins: TwinReader) => Answer): Answer {
    return this.#atOneMoment(() => read(this.#twins))
  }

  presences(): StoredPresence[] {
    return readPresences(this.#db)
  }

  events(query: EventQuery): DeviceEvent[] {
    return this.#atOneMoment(() => listEvents(this.#db, query))
  }

  close(): void {
    this.#db.close()
  }

  #device(id: DeviceId, withMetadata: boolean): Device | undefined {
    const row = this.#sql.device.get(id)
    if (row === undefined) return undefined
    const { number, name, type, gateway, createdAt, lastSeenAt, refusalAtMs: at, refusalTopic: topic, refusalSentence: sentence } = row
    const lastRefusal = at === null || topic === null || sentence === null ? null : { at, topic, sentence }
    const latest = JSON.parse(`{${this.#sql.latest.get(number)!}}`) as Record<string, Latest>
    const presence = row.presence === null ? neverConnected : (JSON.parse(row.presence) as Presence)
    const device = { id, name, type, tags: JSON.parse(row.tags) as Tags, gateway, createdAt, lastSeenAt, presence, latest, lastRefusal }
    return withMetadata ? { ...device, metadata: JSON.parse(this.#sql.metadata.get(number) ?? '{}') as Metadata } : device
  }

  #atOneMoment<Answer>(read: () => Answer): Answer {
    return this.#db.transaction(read)()
  }
}

let reader: Reader | undefined

function opened(): Reader {
  if (reader === undefined) throw new Error('The reader is not open.')
  return reader
}

serve({
  open(folder) {
    reader = new Reader(folder)
  },
  page: (query) => opened().page(query),
  devices: (ids, withMetadata) => opened().devices(ids, withMetadata),
  sessions: () => opened().sessions(),
  owed: (session, lastPlace) => opened().owed(session, lastPlace),
  past: (query) => opened().past(query),
  last: (filters, count, toSeq) => opened().last(filters, count, toSeq),
  seqAt: (ms) => opened().seqAt(ms),
  access: () => opened().access(),
  audit: (query, before, wanted) => opened().audit(query, before, wanted),
  twin: (device, twin) => opened().twins((twins) => twins.read(device, twin)),
  twins: (device) => opened().twins((twins) => twins.list(device)),
  twinAt: (device, twin, ms) => opened().twins((twins) => twins.at(device, twin, ms)),
  twinVersions: (device, twin, before, limit) => opened().twins((twins) => twins.versions(device, twin, before, limit)),
  twinDifference: (device, twin, fromMs, toMs) => opened().twins((twins) => twins.difference(device, twin, fromMs, toMs)),
  desired: (asked) => opened().twins((twins) => twins.desired(asked)),
  presences: () => opened().presences(),
  events: (query) => opened().events(query),
  openCommands: (afterNumber) => opened().commands.open(afterNumber),
  newestCommand: () => opened().commands.newest(),
  command: (number) => opened().commands.find(number),
  commands: (query) => opened().commands.page(query),
  commandCounts: (sinceMs) => opened().commands.counts(sinceMs),
  bulk: (number) => opened().commands.bulk(number),
  bulks: () => opened().commands.bulks(),
  close: () => opened().close(),
} satisfies ReaderFunctions)
