// What the page of the hub asks: sessions, what is stored, bans, extensions, the audit log.
import { get, send } from '../api.ts'

export interface Session {
  readonly id: string
  readonly owner: string
  readonly device: string | null
  readonly wire: string | null
  readonly address: string | null
  /** Of its connection, Unix ms. */
  readonly since: number | null
  /** Without a connection: it is forgotten then. */
  readonly until: number | null
  readonly isSlow: boolean
  readonly queueMessages: number
  readonly queueBytes: number
  readonly subscriptions: number
}

export interface SessionList {
  /** The longest queue first. */
  readonly sessions: readonly Session[]
  readonly total: number
  readonly wires: Readonly<Record<string, number>>
}

/** What the page shows of them: those who are owed most. */
export const sessionsMax = 50

export function loadSessions(limit: number, signal: AbortSignal): Promise<SessionList> {
  return get(`/v1/sessions?limit=${limit}`, signal)
}

export function kickSession(id: string): Promise<unknown> {
  return send('DELETE', `/v1/sessions/${encodeURIComponent(id)}/connection`, {})
}

export const tierNames = ['raw', 'minute', 'hour', 'day'] as const

export interface StoredTier {
  readonly bytes: number
  readonly files: number
  readonly count: number
  readonly fromMs: number | null
  readonly toMs: number | null
}

export interface StoreStatus {
  readonly series: { readonly count: number; readonly points: number; readonly bytes: number; readonly bytesPerPoint: number | null }
  readonly heads: { readonly points: number; readonly bytes: number }
  readonly tiers: Readonly<Record<(typeof tierNames)[number], StoredTier>>
  readonly journal: { readonly bytes: number; readonly fromMs: number | null; readonly bytesMax: number }
  readonly projection: { readonly lagMessages: number; readonly lagBytes: number }
  readonly disk: {
    readonly bytes: number
    readonly freeBytes: number
    readonly budgetBytes: number | null
    readonly bytesPerDay: number | null
    readonly daysLeft: number | null
    readonly next: string | null
  }
  readonly integrity: { readonly damaged: readonly string[]; readonly scrubbedAt: number | null }
  readonly problem: string | null
}

export function loadStore(signal: AbortSignal): Promise<StoreStatus> {
  return get('/v1/store', signal)
}

export interface Ban {
  readonly address: string
  readonly since: number
  readonly until: number
  readonly failures: number
  readonly refused: number
}

export async function loadBans(signal: AbortSignal): Promise<readonly Ban[]> {
  return (await get<{ bans: readonly Ban[] }>('/v1/bans', signal)).bans
}

export function liftBan(address: string): Promise<unknown> {
  return send('DELETE', `/v1/bans/${encodeURIComponent(address)}`, {})
}

export interface Extension {
  readonly name: string
  readonly state: 'setting-up' | 'ready' | 'failed'
  readonly error: string | null
  readonly handlers: readonly {
    readonly what: string
    readonly calls: number
    readonly running: number
    readonly failures: number
    readonly late: number
    readonly dropped: number
    readonly holds: number
    readonly longestHoldMs: number
  }[]
}

export async function loadExtensions(signal: AbortSignal): Promise<readonly Extension[]> {
  return (await get<{ extensions: readonly Extension[] }>('/v1/extensions', signal)).extensions
}

export interface AuditEntry {
  readonly id: number
  readonly at: number
  readonly who: string
  readonly from: string
  readonly action: string
  readonly target: string
  readonly outcome: string
  readonly detail: string
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[]
  readonly next: number | null
}

/** Empty where nothing is asked; times are Unix ms. */
export interface AuditChoice {
  readonly who: string
  readonly action: string
  readonly from: string
  readonly to: string
}

const auditPage = 100

export function loadAudit(choice: AuditChoice, after: number | null, signal?: AbortSignal): Promise<AuditPage> {
  const parameters = parametersOf(choice)
  parameters.set('limit', String(auditPage))
  if (after !== null) parameters.set('after', String(after))
  return get(`/v1/audit?${parameters}`, signal)
}

export function auditExport(choice: AuditChoice, format: 'csv' | 'ndjson'): string {
  const parameters = parametersOf(choice)
  parameters.set('format', format)
  return `/v1/audit/export?${parameters}`
}

function parametersOf(choice: AuditChoice): URLSearchParams {
  return new URLSearchParams(Object.entries(choice).filter(([, value]) => value !== ''))
}
