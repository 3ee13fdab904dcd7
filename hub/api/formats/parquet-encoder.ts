// Rows in, bytes of a Parquet file out, a row group at a time. It runs in a thread: 50,000 rows take some 70 ms.
import { zstdCompressSync } from 'node:zlib'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { limits } from '../../limits.ts'
import { parquetSchema } from './parquet-schema.ts'
import type { Rows } from './row.ts'

/** What one row group holds of strings and JSON; with numbers alone it is full by its rows. */
const groupTextChars = 4 * 1024 * 1024

export class ParquetEncoder {
  readonly #bytes = new ByteWriter(64 * 1024)
  readonly #writer = new ParquetWriter({
    writer: this.#bytes,
    schema: parquetSchema,
    codec: 'ZSTD',
    compressors: { ZSTD: (page) => zstdCompressSync(page) },
    createdBy: 'mooring',
  })
  #columns = newColumns()
  #textChars = 0

  /** Returns the bytes of the row groups that became full; mostly none. */
  add(rows: Rows): Uint8Array<ArrayBuffer> {
    for (let at = 0; at < rows.times.length; at++) {
      this.#addRow(rows, at)
      if (this.#columns.device.length >= limits.parquetGroupRows || this.#textChars >= groupTextChars) this.#endGroup()
    }
    return this.#taken()
  }

  /** The rest of the file. */
  finish(): Uint8Array<ArrayBuffer> {
    this.#endGroup()
    this.#writer.finish()
    return this.#taken()
  }

  #addRow({ device, metric, times, values }: Rows, at: number): void {
    const columns = this.#columns
    const ms = times[at] as number
    const whole = Math.floor(ms)
    const value = values[at]
    columns.device.push(device)
    columns.metric.push(metric)
    columns.time.push(BigInt(whole))
    columns.time_fraction.push(ms === whole ? null : ms - whole)
    const isText = typeof value === 'string' && !/\p{Surrogate}/u.test(value)
    const isJson = typeof value === 'object' ? value !== null : typeof value === 'string' && !isText
    columns.value.push(typeof value === 'number' ? value : null)
    columns.value_boolean.push(typeof value === 'boolean' ? value : null)
    columns.value_text.push(isText ? value : null)
    const json = isJson ? JSON.stringify(value) : null
    columns.value_json.push(json)
    this.#textChars += (json?.length ?? 0) + (isText ? value.length : 0)
  }

  #endGroup(): void {
    const rows = this.#columns.device.length
    if (rows === 0) return
    const hasMinusZero = this.#columns.value.some((value) => Object.is(value, -0))
    const columnData = Object.entries(this.#columns).map(([name, data]) => ({
      name,
      data,
      // Times differ from row to row: differences are shorter than any dictionary.
      ...(name === 'time' ? { encoding: 'DELTA_BINARY_PACKED' as const } : {}),
      // A dictionary is made with a Map, which takes -0 for 0.
      ...(name === 'value' && hasMinusZero ? { encoding: 'PLAIN' as const } : {}),
    }))
    this.#writer.write({ columnData, rowGroupSize: rows })
    this.#columns = newColumns()
    this.#textChars = 0
  }

  #taken(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.getBytes().slice()
    this.#bytes.index = 0
    return taken
  }
}

function newColumns() {
  return {
    device: [] as string[],
    metric: [] as string[],
    time: [] as bigint[],
    time_fraction: [] as (number | null)[],
    value: [] as (number | null)[],
    value_boolean: [] as (boolean | null)[],
    value_text: [] as (string | null)[],
    value_json: [] as (string | null)[],
  }
}
