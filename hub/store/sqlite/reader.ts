// The reader thread: a connection that cannot write. What it answers is one moment of the database.

import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Device, DeviceId, Latest, Tags } from '../../../devices/device.ts'
import type { Metadata } from '../../../devices/metadata.ts'
import type { AccessRecord, AuditQuery } from '../access.ts'
import type { DeviceQuery, PastPage, PastQuery, StoredDelivery } from '../store.ts'
import { readAccess } from './access-rows.ts'
import { type AuditLook, AuditReader } from './audit-log.ts'
import { pageOfDevices } from './device-rows.ts'
import { type LastLook, Past } from './past.ts'
import { OwedReader, readSessions, type SessionColumns } from './session-rows.ts'
import { serve } from './thread.ts'

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
  close(): void
}

interface DeviceRow {
  readonly number: number
  readonly id: DeviceId
  readonly name: string
  readonly type: string | null
  readonly tags: string
  readonly createdAt: number
  readonly lastSeenAt: number | null
  readonly refusalAtMs: number | null
  readonly refusalTopic: string | null
  readonly refusalSentence: string | null
}

class Reader {
  readonly #db: Database.Database
  readonly #owed: OwedReader
  readonly #past: Past
  readonly #audit: AuditReader
  readonly #sql

  constructor(folder: string) {
    this.#db = new Database(join(folder, 'mooring.db'), { readonly: true })
    this.#db.pragma('busy_timeout = 2000')
    this.#owed = new OwedReader(this.#db)
    this.#past = new Past(this.#db)
    this.#audit = new AuditReader(this.#db)
    this.#sql = {
      device: this.#db.prepare<[string], DeviceRow>(`
        SELECT number, id, name, type, tags, created_ms AS createdAt, last_seen_ms AS lastSeenAt,
          refusal_at_ms AS refusalAtMs, refusal_topic AS refusalTopic, refusal_sentence AS refusalSentence
        FROM devices WHERE id = ?`),
      latest: this.#db
        .prepare<[number], string>("SELECT coalesce(group_concat(newest ORDER BY metric), '') FROM series WHERE device = ?")
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

  close(): void {
    this.#db.close()
  }

  #device(id: DeviceId, withMetadata: boolean): Device | undefined {
    const row = this.#sql.device.get(id)
    if (row === undefined) return undefined
    const { number, name, type, createdAt, lastSeenAt, refusalAtMs: at, refusalTopic: topic, refusalSentence: sentence } = row
    const lastRefusal = at === null || topic === null || sentence === null ? null : { at, topic, sentence }
    const latest = JSON.parse(`{${this.#sql.latest.get(number)!}}`) as Record<string, Latest>
    const device = { id, name, type, tags: JSON.parse(row.tags) as Tags, createdAt, lastSeenAt, latest, lastRefusal }
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
  close: () => opened().close(),
} satisfies ReaderFunctions)
