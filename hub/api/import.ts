// POST /v1/import: points from a file, as many as it holds. They go the way of all readings, so that whoever listens hears them, and a point
// that is there already is written over by itself: an import that broke off is sent again.
import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, integer, object, optional, string } from '../schema.ts'
import type { Principal } from '../session/principal.ts'
import { CsvReader } from './formats/csv.ts'
import { type Precision, precisions, readLine } from './formats/line-protocol.ts'
import { readNdjson } from './formats/ndjson.ts'
import { ParquetImport } from './formats/parquet.ts'
import { Records } from './formats/records.ts'
import type { Row } from './formats/row.ts'
import { type Imported, Intake } from './intake.ts'
import { type ApiParts, problemSchema } from './parts.ts'
import { readingBy } from './readings.ts'
import { Spool } from './spool.ts'
import { piecesOf } from './upload.ts'

const formats = ['csv', 'ndjson', 'parquet', 'line-protocol'] as const

type Format = (typeof formats)[number]

const formatOfType: Readonly<Record<string, Format>> = {
  'text/csv': 'csv',
  'application/ndjson': 'ndjson',
  'application/x-ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/vnd.apache.parquet': 'parquet',
}

const description = [
  'The formats of `GET /v1/export`, and InfluxDB line protocol; `format`, or the content type where it says it. The body may be gzip (Content-Encoding).',
  'It is stored while it comes, and the answer comes once all of it is on disk: how many points, and which lines (of Parquet: rows) were refused and',
  'why. A line that is refused does not harm the others.',
].join(' ')

const importedSchema = object({
  stored: integer({ description: 'Points on disk' }),
  refused: array(object({ line: integer(), code: string(), detail: string() }), {
    description: 'What was not stored, by line of the file or row of Parquet; the first is 1',
  }),
  refusedMore: optional(integer({ description: `How many more there were than the ${limits.refusalsNamed} that are named` })),
})

/** Rows of Parquet that cross over from their thread at a time. */
const rowsAtATime = 1000

export function importRoutes(app: FastifyInstance, parts: ApiParts): void {
  const spool = new Spool(parts.dataFolder)
  let open = 0
  app.post(
    '/v1/import',
    {
      config: { bodyStream: true, isTransfer: true },
      schema: {
        summary: 'Import points',
        description,
        consumes: Object.keys(formatOfType),
        querystring: object({
          format: optional(string({ enum: formats })),
          precision: string({ enum: precisions, default: 'ns', description: 'Unit of the timestamps of line protocol' }),
        }),
        response: { 200: importedSchema, 400: problemSchema, 413: problemSchema, 503: problemSchema, 507: problemSchema },
      },
    },
    async (request, reply) => {
      const { format = formatOf(request), precision } = request.query as { format?: Format; precision: Precision }
      if (open >= limits.imports) throw new Refusal('too-many-transfers', { limit: limits.imports, name: 'imports' })
      open++
      const abort = new AbortController()
      reply.raw.once('close', () => abort.abort(new Refusal('request-invalid', { detail: 'the client went away' })))
      try {
        const pieces = piecesOf(request.body as Readable | undefined, request.headers)
        const intake = intakeOf(parts, request.principal)
        if (format !== 'parquet') await takeText(pieces, format, precision, parts.clock.now(), intake, abort.signal)
        else await spool.with(pieces, (path) => takeParquet(path, intake, abort.signal))
        return await intake.finish()
      } finally {
        open--
      }
    },
  )
}

function formatOf({ headers }: FastifyRequest): Format {
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() as string
  const format = formatOfType[type]
  if (format !== undefined) return format
  throw new Refusal('request-invalid', { detail: `say ?format=, one of ${formats.join(', ')}; the content type does not` })
}

function intakeOf({ router, store, metrics, access }: ApiParts, principal: Principal): Intake {
  return new Intake(router, store.journal, metrics, readingBy(principal), (...point) => access.types.whyNot(...point))
}

/** Line protocol of one request, to its end. Errors: as those of the pieces and of `Intake.room`. */
export async function importLines(
  parts: ApiParts,
  pieces: AsyncIterable<Buffer>,
  precision: Precision,
  principal: Principal,
): Promise<Imported> {
  const intake = intakeOf(parts, principal)
  await takeText(pieces, 'line-protocol', precision, parts.clock.now(), intake, undefined)
  return intake.finish()
}

async function takeText(
  pieces: AsyncIterable<Buffer>,
  format: Exclude<Format, 'parquet'>,
  precision: Precision,
  nowMs: number,
  intake: Intake,
  signal: AbortSignal | undefined,
): Promise<void> {
  const records = new Records(format === 'csv')
  const rowsOf = readerOf(format, precision, nowMs)
  for await (const piece of pieces) {
    signal?.throwIfAborted()
    records.add(piece)
    takeRecords(records, rowsOf, intake)
    await intake.room()
  }
  records.finish()
  takeRecords(records, rowsOf, intake)
}

function takeRecords(records: Records, rowsOf: (text: string) => readonly Row[], intake: Intake): void {
  for (let found = records.next(); found !== 'none'; found = records.next()) {
    const { bytes, start, end, line } = records
    try {
      if (found === 'too-long') throw new Refusal('line-too-long', { line, limit: limits.lineBytes })
      for (const row of rowsOf(textOf(bytes, start, end))) intake.add(line, row)
    } catch (error) {
      // A header that cannot be read is no row: nothing behind it means anything.
      if (!(error instanceof Refusal) || error.code === 'request-invalid') throw error
      intake.refuse(line, error)
    }
  }
}

function readerOf(format: Exclude<Format, 'parquet'>, precision: Precision, nowMs: number): (text: string) => readonly Row[] {
  if (format === 'ndjson') return (text) => [readNdjson(text)]
  if (format === 'line-protocol') return (text) => readLine(text, { precision, nowMs })
  const csv = new CsvReader()
  return (text) => {
    const row = csv.read(text)
    return row === undefined ? [] : [row]
  }
}

function textOf(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end)
  // The replacement character is rare in text that is right, so only then the bytes are looked at again.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) throw new Refusal('telemetry-invalid', { detail: 'it is not UTF-8' })
  return text
}

async function takeParquet(path: string, intake: Intake, signal: AbortSignal): Promise<void> {
  const file = new ParquetImport()
  try {
    await file.open(path)
    let number = 0
    for (let rows = await file.next(rowsAtATime); rows.length > 0; rows = await file.next(rowsAtATime)) {
      signal.throwIfAborted()
      for (const row of rows) {
        number++
        if (row instanceof Refusal) intake.refuse(number, row)
        else intake.add(number, row)
      }
      await intake.room()
    }
  } finally {
    file.close()
  }
}
