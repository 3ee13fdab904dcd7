// Rows of a Parquet file, a row group at a time: ours, and those of other programs that have columns device, metric, time and value. It
// runs in a thread, whose memory is bounded; what a file says of its own sizes is not believed before it is compared with the limits.
import { type FileHandle, open } from 'node:fs/promises'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead, snappyUncompress } from 'hyparquet'
import type { MetricValue } from '../../../devices/device.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { columnNames } from './parquet-schema.ts'
import { checkedDevice, type Row, refuseRow } from './row.ts'
import { msOf, msOfTicks } from './times.ts'

/** A row, or why it is none. */
export type ReadRow = Row | Refusal

type Column = readonly unknown[]
type Columns = { readonly [name in (typeof columnNames)[number]]?: Column }

/** Times come as their count of ticks, so that no digit is lost on the way through a Date. */
const parsers = {
  timestampFromMilliseconds: (ticks: bigint) => Number(ticks),
  timestampFromMicroseconds: (ticks: bigint) => (ticks < 0n ? Number(ticks) / 1e3 : msOfTicks(String(ticks), 3)),
  timestampFromNanoseconds: (ticks: bigint) => (ticks < 0n ? Number(ticks) / 1e6 : msOfTicks(String(ticks), 6)),
  jsonFromBytes: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
}

function bounded(decompress: (page: Uint8Array, options: { maxOutputLength: number }) => Uint8Array) {
  return (page: Uint8Array, bytes: number) => decompress(page, { maxOutputLength: Math.max(1, checkedPage(bytes)) })
}

function checkedPage(bytes: number): number {
  if (!(bytes >= 0 && bytes <= limits.parquetPageBytes)) throw new Error(`a page has more than ${limits.parquetPageBytes} bytes`)
  return bytes
}

const compressors = {
  SNAPPY: (page: Uint8Array, bytes: number) => {
    const output = new Uint8Array(checkedPage(bytes))
    snappyUncompress(page, output)
    return output
  },
  GZIP: bounded(gunzipSync),
  ZSTD: bounded(zstdDecompressSync),
  BROTLI: bounded(brotliDecompressSync),
}

export class ParquetDecoder {
  readonly #file: FileHandle
  readonly #buffer: AsyncBuffer
  readonly #metadata: FileMetaData
  #nextGroup = 0
  #nextRow = 0
  #columns: Columns = {}
  #rows = 0
  #at = 0

  private constructor(file: FileHandle, buffer: AsyncBuffer, metadata: FileMetaData) {
    this.#file = file
    this.#buffer = buffer
    this.#metadata = metadata
  }

  /** Errors: `request-invalid` with what is wrong with the file. */
  static async open(path: string): Promise<ParquetDecoder> {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      const buffer = { byteLength: size, slice: (start: number, end = size) => bytesOf(file, start, end, size) }
      const metadata = await readable(() => parquetMetadataAsync(buffer))
      const names = new Set(metadata.schema.slice(1).map(({ name }) => name))
      const missing = ['device', 'metric', 'time', 'value'].filter((name) => !names.has(name))
      if (missing.length > 0) refuseFile(`it has no column ${missing.join(', ')}`)
      return new ParquetDecoder(file, buffer, metadata)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The next rows, at most `count`; none at the end. Errors: `request-invalid`, and then the file is closed. */
  async next(count: number): Promise<ReadRow[]> {
    try {
      return await this.#next(count)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  async #next(count: number): Promise<ReadRow[]> {
    while (this.#at === this.#rows) {
      const group = this.#metadata.row_groups[this.#nextGroup]
      if (group === undefined) return []
      this.#nextGroup += 1
      await this.#readGroup(Number(group.num_rows), Number(group.total_byte_size))
    }
    const end = Math.min(this.#rows, this.#at + count)
    const rows: ReadRow[] = []
    for (; this.#at < end; this.#at += 1) rows.push(this.#row(this.#at))
    return rows
  }

  async #readGroup(rows: number, bytes: number): Promise<void> {
    if (!(rows <= limits.parquetGroupRowsMax && bytes <= limits.parquetGroupBytes)) {
      const [rowsMax, bytesMax] = [limits.parquetGroupRowsMax, limits.parquetGroupBytes]
      refuseFile(
        `a row group has ${rows} rows (${rowsMax} at most, limits.parquetGroupRowsMax) and ${bytes} bytes (${bytesMax}, limits.parquetGroupBytes)`,
      )
    }
    const names = new Set(this.#metadata.schema.slice(1).map(({ name }) => name))
    const columns: { [name: string]: unknown[] } = {}
    await readable(() =>
      parquetRead({
        file: this.#buffer,
        metadata: this.#metadata,
        columns: columnNames.filter((name) => names.has(name)),
        rowStart: this.#nextRow,
        rowEnd: this.#nextRow + rows,
        compressors,
        parsers,
        onChunk: ({ columnName, columnData, rowStart }) => {
          columns[columnName] ??= []
          const column = columns[columnName]
          for (let at = 0; at < columnData.length; at += 1) column[rowStart - this.#nextRow + at] = columnData[at]
        },
      }),
    )
    this.#columns = columns
    this.#rows = rows
    this.#at = 0
    this.#nextRow += rows
  }

  #row(at: number): ReadRow {
    const { device, metric, time, time_fraction: fraction } = this.#columns
    try {
      const name = metric?.[at]
      if (typeof name !== 'string') refuseRow('metric is the name of a metric')
      const atMs = timeOf(time?.[at]) + numberOf(fraction?.[at] ?? 0)
      return { device: checkedDevice(device?.[at]), metric: name, atMs, value: this.#value(at) }
    } catch (error) {
      if (error instanceof Refusal) return error
      throw error
    }
  }

  #value(at: number): MetricValue {
    const { value, value_boolean: boolean, value_text: text, value_json: json } = this.#columns
    const found = value?.[at] ?? boolean?.[at] ?? text?.[at]
    if (typeof found === 'number' || typeof found === 'boolean' || typeof found === 'string') return found
    if (typeof found === 'bigint') return Number(found)
    if (found !== undefined && found !== null) refuseRow('value is a number, true, false or text')
    const jsonText = json?.[at]
    if (typeof jsonText !== 'string') return null
    try {
      return JSON.parse(jsonText) as MetricValue
    } catch {
      return refuseRow('value_json is not JSON')
    }
  }
}

function timeOf(time: unknown): number {
  const ms = typeof time === 'string' ? msOf(time) : time instanceof Date ? time.getTime() : numberOf(time)
  return ms ?? refuseRow('time is a timestamp, Unix ms or ISO 8601')
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  return refuseRow('time is a timestamp, Unix ms or ISO 8601')
}

/** A place that is not there is refused at once: the library asks for several, and would hear of the first refusal alone. */
function bytesOf(file: FileHandle, start: number, end: number, size: number): Promise<ArrayBuffer> {
  if (!(start >= 0 && start <= end && end <= size)) throw new Error('it says that it has more bytes than it has')
  if (end - start > limits.parquetGroupBytes) throw new Error('a part of it is larger than limits.parquetGroupBytes')
  return readBytes(file, start, end - start)
}

async function readBytes(file: FileHandle, start: number, length: number): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(length)
  await file.read(new Uint8Array(buffer), 0, length, start)
  return buffer
}

/** Whatever the library throws is about the file. */
async function readable<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    return refuseFile((error as Error).message)
  }
}

function refuseFile(detail: string): never {
  throw new Refusal('request-invalid', { detail: `the Parquet file cannot be read: ${detail}` })
}
