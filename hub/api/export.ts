// GET /v1/export: every point of a selection as a file that is made while it is read.
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Groups } from '../access/groups.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { object, optional, string } from '../schema.ts'
import type { ScanPart, ScanQuery } from '../store/telemetry.ts'
import { csvHeader, csvRow, csvSeries } from './formats/csv.ts'
import { ndjsonRow, ndjsonSeries } from './formats/ndjson.ts'
import { ParquetExport } from './formats/parquet.ts'
import type { Rows } from './formats/row.ts'
import { msOf } from './formats/times.ts'
import { type ApiParts, problemSchema } from './parts.ts'
import { type SeriesAsked, selectedSeries, seriesSelected } from './query.ts'

const kinds = {
  csv: { type: 'text/csv; charset=utf-8', header: csvHeader },
  ndjson: { type: 'application/x-ndjson', header: '' },
  parquet: { type: 'application/vnd.apache.parquet', header: '' },
} as const

type Format = keyof typeof kinds

interface ExportQueryText extends SeriesAsked {
  readonly format: Format
  readonly from?: string
  readonly to?: string
  readonly time: 'iso' | 'ms'
}

const description = [
  'Every point, series by series, as rows of device, metric, time and value. The file is made while it is read; one that breaks off is not whole,',
  'and its HTTP message says so by ending in the middle. `Mooring-Points` in the answer’s head says how many points are to be expected.',
  'What each format makes of a value stands in hub/api/formats/README.md; `POST /v1/import` takes all of them back.',
].join(' ')

const exportQuery = object({
  format: string({ enum: Object.keys(kinds) }),
  ...selectedSeries,
  from: optional(string({ description: 'Unix ms or ISO 8601, included; the beginning when left out' })),
  to: optional(string({ description: 'Unix ms or ISO 8601, included; now and beyond when left out' })),
  time: string({ enum: ['iso', 'ms'], default: 'iso', description: 'How CSV writes times' }),
})

const timeMax = 8.64e15

export function exportRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { downloads } = parts
  app.get(
    '/v1/export',
    {
      exposeHeadRoute: false,
      config: { isTransfer: true },
      schema: {
        summary: 'Export points',
        description,
        produces: Object.values(kinds).map(({ type }) => type),
        querystring: exportQuery,
        response: { 400: problemSchema, 503: problemSchema },
      },
    },
    async (request, reply) => {
      const text = request.query as ExportQueryText
      const query = queryOf(text, parts.access.groups)
      downloads.begin()
      try {
        const { points } = await parts.store.telemetry.scanSummary(query)
        reply.header('mooring-points', points)
        return send(parts, reply, query, text)
      } catch (error) {
        downloads.failed()
        throw error
      }
    },
  )
}

function send({ store, downloads }: ApiParts, reply: FastifyReply, query: ScanQuery, { format, time }: ExportQueryText): Readable {
  const file = { name: 'telemetry', ending: format, mediaType: kinds[format].type }
  return downloads.send(reply, file, (signal) => {
    const parts = store.telemetry.scan(query, signal)
    return format === 'parquet' ? parquetPieces(parts, signal) : textPieces(parts, format, time)
  })
}

async function* textPieces(parts: AsyncIterable<ScanPart>, format: 'csv' | 'ndjson', times: 'iso' | 'ms'): AsyncGenerator<Buffer> {
  let text: string = kinds[format].header
  for await (const part of parts) {
    const rowOf = rowsOf(part, format, times)
    for (let at = 0; at < part.times.length; at++) {
      text += rowOf(at)
      if (text.length < limits.exportChunkBytes) continue
      yield Buffer.from(text)
      text = ''
    }
  }
  if (text !== '') yield Buffer.from(text)
}

function rowsOf(rows: Rows, format: 'csv' | 'ndjson', times: 'iso' | 'ms'): (at: number) => string {
  if (format === 'csv') {
    const series = csvSeries(rows)
    return (at) => csvRow(series, rows, at, times)
  }
  const series = ndjsonSeries(rows)
  return (at) => ndjsonRow(series, rows, at)
}

async function* parquetPieces(parts: AsyncIterable<ScanPart>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const file = new ParquetExport()
  // A thread that is asked nothing more would else be waited for: the generator is not told while it waits for an answer.
  signal.addEventListener('abort', () => file.close())
  try {
    for await (const part of parts) {
      const bytes = await file.add(part)
      if (bytes.length > 0) yield Buffer.from(bytes.buffer)
    }
    yield Buffer.from((await file.finish()).buffer)
  } finally {
    file.close()
  }
}

function queryOf({ from, to, format: _, time: __, ...asked }: ExportQueryText, groups: Groups): ScanQuery {
  const selection = seriesSelected(asked, groups)
  const fromMs = timeOf('from', from) ?? 0
  const toMs = timeOf('to', to) ?? timeMax
  if (fromMs > toMs) throw new Refusal('request-invalid', { detail: 'from lies after to' })
  return { fromMs, toMs, ...selection }
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = msOf(text)
  if (ms === undefined) throw new Refusal('request-invalid', { detail: `${name} is Unix ms or ISO 8601, not "${text.slice(0, 64)}"` })
  return ms
}
