// Read-only SQL over what is stored, in domain words. Times are Unix ms.

/** `telemetry(device, metric, time, value)`, `devices` and `series` can be read; the columns are documented at /docs, `POST /v1/sql`. */
export interface SqlQuery {
  /** One statement: SELECT, WITH … SELECT, VALUES or EXPLAIN QUERY PLAN. */
  readonly sql: string
  /** Values of `?`, in their order, or of `:name`. */
  readonly params?: SqlParams
  /** What `telemetry` holds for this query, both included. */
  readonly fromMs?: number
  readonly toMs?: number
  /** Most rows in the answer. */
  readonly rowsMax: number
}

export type SqlParameter = string | number | boolean | null

export type SqlParams = readonly SqlParameter[] | { readonly [name: string]: SqlParameter }

export interface SqlAnswer {
  readonly columns: readonly SqlColumn[]
  /** The inside of a JSON array: rows as arrays, separated by commas, ready to send in these pieces. Nobody on the way reads them. */
  readonly rows: readonly Uint8Array[]
  readonly rowCount: number
  /** Why there may be more rows than these. */
  readonly truncatedBy: 'rows' | 'bytes' | undefined
  readonly elapsedMs: number
  /** What was decoded for it, and its bytes in memory. */
  readonly scanned: { readonly points: number; readonly bytes: number }
  /** Where points could not be read, and the answer is made from the rest: as they were met, each once, and no more than the limit. */
  readonly damaged: readonly DamagedSpan[]
}

/** Both ends included. As it goes out: it is part of the answer in JSON, too. */
export interface DamagedSpan {
  readonly from: number
  readonly to: number
}

export interface SqlColumn {
  readonly name: string
  /** Of the first value that is not NULL; undefined when there is none. */
  readonly type: 'integer' | 'real' | 'text' | 'blob' | undefined
}

export interface Sql {
  /**
   * Sees everything that was stored before the call. An aborted signal ends the query at once; the promise then rejects with its reason.
   * Errors: `Refusal`s `sql-invalid`, `sql-not-allowed`, `query-too-long`, `query-too-large`, `too-many-queries`, `shutting-down`.
   */
  query(query: SqlQuery, signal?: AbortSignal): Promise<SqlAnswer>
}
