// POST /v1/sql: read-only SQL over telemetry, for people who know what they ask.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, boolean, integer, number, object, optional, string } from '../schema.ts'
import type { SqlAnswer, SqlParameter, SqlParams, SqlQuery } from '../store/sql.ts'
import { type ApiParts, problemSchema } from './parts.ts'
import { whileAsked } from './query.ts'
import { timeOf } from './times.ts'

const rowsUsual = 1000

const description = [
  'One statement (SELECT, WITH, VALUES or EXPLAIN QUERY PLAN) in the SQL of SQLite. The body is the statement as it stands, or JSON:',
  '`{"sql":"SELECT …","params":[…]}`, where `params` are values for `?`, or as an object for `:name`; `from` and `to` (Unix ms, ISO 8601 or `-24h`, both',
  'included) bound what `telemetry` holds, and `rowsMax` the answer (1,000 when left out).',
  '\n\nTables: `telemetry(device, metric, time, value)`, `devices(id, name, type, tags, created_at, last_seen_at)`, `series(device, metric, last_time, last_value)`.',
  'Times are Unix ms. A `value` is REAL, 1 or 0 for true and false, TEXT, or JSON as text; `tags` are JSON.',
  "\n\nBeside SQLite’s own functions (`percentile(value, 95)`, `datetime(time / 1000, 'unixepoch')`, …): `ms('2026-11-22T00:00Z')` and `ms('now')`, `iso(time)`,",
  "`time_bucket('5m', time)` (ms, s, m, h, d, w; UTC), and the aggregates `first(value, time)`, `last(value, time)`.",
  '\n\nName the time wanted, or everything is read: `from` and `to`, or conditions such as `time >= …` and `time BETWEEN … AND …` that stand in the one',
  'WHERE of a single SELECT over one `telemetry`, joined by AND, and compare `time` with a number, a parameter or `ms(…)`.',
  'Conditions on `device` and `metric` are quick anywhere.',
  `\n\nA statement runs for at most ${limits.queryMs / 1000} s, alone; others wait. Bytes (BLOB) come as \`{"base64":"…"}\`.`,
].join(' ')

const answer = object({
  columns: array(object({ name: string(), type: optional(string({ enum: ['integer', 'real', 'text', 'blob'] })) }), {
    description: '`type` is that of the first value that is not NULL',
  }),
  rows: array(array(anything)),
  rowCount: integer(),
  truncated: boolean({ description: 'There may be more rows: `truncatedBy` says which bound was met' }),
  truncatedBy: optional(string({ enum: ['rows', 'bytes'] })),
  elapsedMs: number(),
  scanned: object({ points: integer({ description: 'Points that were decoded' }), bytes: integer({ description: '… in memory' }) }),
  damaged: array(object({ from: number(), to: number() }), {
    description: `Stretches of which some points could not be read; the answer is made from the rest. At most ${limits.sqlDamagedSpans}`,
  }),
})

export function sqlRoutes(app: FastifyInstance, { store, clock }: ApiParts): void {
  app.post(
    '/v1/sql',
    {
      bodyLimit: limits.sqlTextBytes,
      schema: {
        summary: 'Ask telemetry by SQL',
        description,
        response: { 200: answer, 400: problemSchema, 403: problemSchema, 413: problemSchema, 422: problemSchema, 503: problemSchema },
      },
    },
    async (request, reply) => {
      const query = queryOf(request, clock.now())
      const answered = await store.sql.query(query, whileAsked(reply))
      reply.header('content-type', 'application/json; charset=utf-8')
      return jsonOf(answered)
    },
  )
}

/** Rows are bytes already; what stands around them is small. */
function jsonOf({ columns, rows, rowCount, truncatedBy, elapsedMs, scanned, damaged }: SqlAnswer): Buffer {
  const truncated = truncatedBy !== undefined
  const rest = JSON.stringify({ rowCount, truncated, truncatedBy, elapsedMs: Math.round(elapsedMs * 10) / 10, scanned, damaged })
  return Buffer.concat([Buffer.from(`{"columns":${JSON.stringify(columns)},"rows":[`), ...rows, Buffer.from(`],${rest.slice(1)}`)])
}

/** JSON, whatever the content type says, or else the statement itself: no statement begins with a brace. */
function queryOf({ body }: FastifyRequest, nowMs: number): SqlQuery {
  const text = Buffer.isBuffer(body) ? body.toString() : ''
  if (text.trim() === '')
    throw new Refusal('request-invalid', { detail: 'the body is empty; send a statement such as SELECT count(*) FROM telemetry' })
  if (!text.trimStart().startsWith('{')) return { sql: text, rowsMax: rowsUsual }
  const { sql, params, from, to, rowsMax = rowsUsual } = parsed(text)
  if (typeof sql !== 'string') throw new Refusal('request-invalid', { detail: 'sql is the statement, as text' })
  if (!Number.isInteger(rowsMax) || Number(rowsMax) < 1 || Number(rowsMax) > limits.sqlRows) {
    throw new Refusal('request-invalid', { detail: `rowsMax is a whole number from 1 to ${limits.sqlRows}` })
  }
  return {
    sql,
    rowsMax: Number(rowsMax),
    ...(params === undefined ? {} : { params: paramsOf(params) }),
    ...(from === undefined ? {} : { fromMs: timeOf('from', String(from), nowMs) }),
    ...(to === undefined ? {} : { toMs: timeOf('to', String(to), nowMs) }),
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new Refusal('request-invalid', { detail: `the body is no JSON: ${(error as Error).message}` })
  }
}

function paramsOf(params: unknown): SqlParams {
  const values = typeof params === 'object' && params !== null ? Object.values(params) : undefined
  const isParameter = (value: unknown): value is SqlParameter => value === null || ['string', 'number', 'boolean'].includes(typeof value)
  if (values === undefined || !values.every(isParameter)) {
    throw new Refusal('request-invalid', { detail: 'params is an array or an object of numbers, strings, booleans and null' })
  }
  return params as SqlParams
}
