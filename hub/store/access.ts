// Who may come in and what came of it, as the database keeps it: small documents that the hub holds in memory, and a log that only grows at its end.

/**
 * The kind of the one sort of document that the store itself reads: device types (devices/device-type.ts). It refuses telemetry that a type
 * does not allow, and keeps points as long as the type says, from the moment the write of the document resolves.
 */
export const typeKind = 'type'

/** One document. What it says is between those who write it. */
export interface AccessRecord {
  readonly kind: string
  readonly id: string
  /** JSON */
  readonly body: string
}

export interface AccessChange {
  readonly kind: string
  readonly id: string
  /** Replaces the one before; null: removed. */
  readonly body: string | null
}

/** Who did what to what, from where, and how it ended. A text longer than `limits.auditTextBytes` is cut, and ends with `…` then. */
export interface AuditEntry {
  /** Unix ms */
  readonly at: number
  readonly who: string
  readonly from: string
  readonly action: string
  readonly target: string
  readonly outcome: 'done' | 'refused'
  /** Never a secret: entries outlive what they speak of. */
  readonly detail: string
}

/** What is said has to be true of each entry. */
export interface AuditQuery {
  readonly fromMs?: number
  /** Included. */
  readonly toMs?: number
  readonly who?: string
  readonly action?: string
  readonly target?: string
  readonly limit: number
  /** `next` of the page before. */
  readonly after?: number
}

export interface AuditPage {
  /** The newest first; `id` grows by one with each entry. */
  readonly entries: readonly (AuditEntry & { readonly id: number })[]
  /** Undefined when there is nothing more. */
  readonly next: number | undefined
}

export interface AccessStore {
  /** The documents on record when the store was opened. */
  readonly atStart: readonly AccessRecord[]
  /**
   * All or nothing; resolves when it is on disk as the durability says, entries of the audit log with it. Writes take effect in the order of
   * the calls. Of what is removed or replaced nothing stays on the pages of the database. Errors: `store-full`, `store-failed`.
   */
  write(changes: readonly AccessChange[], audit: readonly AuditEntry[]): Promise<void>
  /** The newest first. Sees every write that resolved before the call. Past `limits.auditEntries` or `limits.auditBytes` the oldest are gone. */
  audit(query: AuditQuery): Promise<AuditPage>
}
