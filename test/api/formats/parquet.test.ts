// Parquet: another program (DuckDB) reads what the hub writes, and the hub reads what that program writes.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { ParquetExport, ParquetImport } from '../../../hub/api/formats/parquet.ts'
import { ParquetDecoder } from '../../../hub/api/formats/parquet-decoder.ts'
import { ParquetEncoder } from '../../../hub/api/formats/parquet-encoder.ts'
import type { Row } from '../../../hub/api/formats/row.ts'
import { Refusal } from '../../../hub/errors.ts'
import { limits } from '../../../hub/limits.ts'
import { atEnd } from '../../kit/at-end.ts'
import { newFolder } from '../../kit/hub.ts'
import { rowOf, rowsOf } from './rows.ts'

async function duck(t: TestContext): Promise<(sql: string) => Promise<Record<string, unknown>[]>> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  atEnd(t, () => {
    connection.closeSync()
    instance.closeSync()
  })
  return async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJson() as Record<string, unknown>[]
}

function fileOf(t: TestContext, bytes: Uint8Array): string {
  const path = join(newFolder(t), 'a.parquet')
  writeFileSync(path, bytes)
  return path
}

function encoded(rows: readonly Row[]): Buffer {
  const encoder = new ParquetEncoder()
  return Buffer.concat([...rows.map((row) => encoder.add(rowsOf(row))), encoder.finish()])
}

async function decoded(path: string): Promise<(Row | Refusal)[]> {
  const decoder = await ParquetDecoder.open(path)
  const all: (Row | Refusal)[] = []
  for (let rows = await decoder.next(7); rows.length > 0; rows = await decoder.next(7)) all.push(...rows)
  await decoder.close()
  return all
}

const atMs = Date.UTC(2026, 0, 2, 3, 4, 5)
const kinds: readonly Row[] = [
  { device: 'pump-7', metric: 'speed', atMs, value: 0.1 + 0.2 },
  { device: 'pump-7', metric: 'speed', atMs: atMs + 0.25, value: -0 },
  { device: 'pump-7', metric: 'on', atMs, value: true },
  { device: 'pump-7', metric: 'word', atMs, value: 'grün, "1"' },
  { device: 'pump-7', metric: 'more', atMs, value: { a: [1, null] } },
  { device: 'pump-7', metric: 'gone', atMs, value: null },
]

test('another program reads device, metric, time and values of every kind', async (t) => {
  const sql = await duck(t)
  const path = fileOf(t, encoded(kinds))
  const types = await sql(`select column_name, column_type from (describe select * from '${path}')`)
  assert.deepEqual(
    types.map(({ column_name, column_type }) => [column_name, column_type]),
    [
      ['device', 'VARCHAR'],
      ['metric', 'VARCHAR'],
      ['time', 'TIMESTAMP WITH TIME ZONE'],
      ['time_fraction', 'DOUBLE'],
      ['value', 'DOUBLE'],
      ['value_boolean', 'BOOLEAN'],
      ['value_text', 'VARCHAR'],
      ['value_json', 'VARCHAR'],
    ],
  )
  const rows = await sql(
    `select device, metric, epoch_ms(time)::double + coalesce(time_fraction, 0) as ms, value, signbit(value) as minus, value_boolean, value_text, value_json from '${path}'`,
  )
  assert.deepEqual(
    rows.map((row) => [
      row['metric'],
      Number(row['ms']) - atMs,
      row['value'],
      row['minus'],
      row['value_boolean'],
      row['value_text'],
      row['value_json'],
    ]),
    [
      ['speed', 0, 0.1 + 0.2, false, null, null, null],
      ['speed', 0.25, -0, true, null, null, null],
      ['on', 0, null, null, true, null, null],
      ['word', 0, null, null, null, 'grün, "1"', null],
      ['more', 0, null, null, null, null, '{"a":[1,null]}'],
      ['gone', 0, null, null, null, null, null],
    ],
  )
})

test('any point survives', async (t) => {
  const folder = newFolder(t)
  await fc.assert(
    fc.asyncProperty(fc.array(rowOf, { minLength: 1, maxLength: 20 }), async (rows) => {
      const path = join(folder, 'a.parquet')
      writeFileSync(path, encoded(rows))
      assert.deepStrictEqual(await decoded(path), rows)
    }),
    { numRuns: 100 },
  )
})

test('minus zero among many zeros is minus zero still', async (t) => {
  const path = join(newFolder(t), 'a.parquet')
  const rows = Array.from({ length: 300 }, (_, at) => ({ device: 'd', metric: 'm', atMs: at, value: at % 3 === 0 ? -0 : 0 }))
  writeFileSync(path, encoded(rows))
  assert.deepStrictEqual(await decoded(path), rows)
})

test('row groups are written as they become full, and other programs sum over all of them', async (t) => {
  const sql = await duck(t)
  const file = new ParquetExport()
  t.after(() => file.close())
  const count = 1000
  const parts = (2 * limits.parquetGroupRows) / count + 1
  const sizes: number[] = []
  const bytes: Uint8Array[] = []
  for (let part = 0; part < parts; part += 1) {
    const times = Float64Array.from({ length: count }, (_, at) => atMs + part * count + at)
    const piece = await file.add({ device: `d-${part % 10}`, metric: 'n', times, values: times.map((_, at) => at) })
    sizes.push(piece.length)
    bytes.push(piece)
  }
  bytes.push(await file.finish())
  assert.equal(sizes.filter((size) => size > 4).length, 2, 'the file goes out in the middle')
  const path = fileOf(t, Buffer.concat(bytes))
  const [row] = await sql(`select count(*)::int as n, sum(value)::double as sum, count(distinct device)::int as devices from '${path}'`)
  assert.deepEqual(row, { n: parts * count, sum: (parts * count * (count - 1)) / 2, devices: 10 })
  const [groups] = await sql(`select count(distinct row_group_id)::int as groups from parquet_metadata('${path}')`)
  assert.deepEqual(groups, { groups: 3 })
})

test('files of another program are read: its types, its codecs, its row groups', async (t) => {
  const sql = await duck(t)
  const folder = newFolder(t)
  const path = join(folder, 'theirs.parquet')
  const select = (time: string, value: string) =>
    `select 'd-' || (i % 3) as device, 'n' as metric, ${time} as time, ${value} as value, i as other from range(3000) r(i)`
  const start = "timestamp '2026-01-02 03:04:05'"
  const cases: [string, string, string, (at: number) => [number, unknown]][] = [
    ['snappy', `${start} + interval (i) microsecond`, 'i::double / 3', (i) => [atMs + i / 1000, i / 3]],
    ['zstd', `epoch_ms(${atMs} + i)`, 'i::integer', (i) => [atMs + i, i]],
    ['gzip', `make_timestamp_ns(${atMs}000000 + i * 250000)`, 'i::bigint', (i) => [atMs + i / 4, i]],
    ['uncompressed', `${atMs} + i`, "'t' || i", (i) => [atMs + i, `t${i}`]],
    ['brotli', `(${atMs} + i)::double`, 'i % 2 = 0', (i) => [atMs + i, i % 2 === 0]],
    ['snappy', `epoch_ms(${atMs} + i)::varchar`, 'null::double', (i) => [atMs + i, null]],
  ]
  for (const [codec, time, value, expected] of cases) {
    await sql(`copy (${select(time, value)}) to '${path}' (format parquet, codec '${codec}', row_group_size 2048)`)
    const rows = await decoded(path)
    assert.equal(rows.length, 3000, time)
    for (const [i, row] of rows.entries()) {
      const [ms, of] = expected(i)
      assert.deepEqual(row, { device: `d-${i % 3}`, metric: 'n', atMs: ms, value: of }, `${time} ${value}`)
    }
  }
})

test('rows that are none are named, and the others read', async (t) => {
  const sql = await duck(t)
  const path = join(newFolder(t), 'a.parquet')
  const rows = `values ('d', 'n', 1.0, 1.0), ('a/b', 'n', 2.0, 1.0), ('d', null, 3.0, 1.0), ('d', 'n', null, 1.0), ('d', 'n', 5.0, 2.0)`
  await sql(`copy (select * from (${rows}) t(device, metric, time, value)) to '${path}' (format parquet)`)
  assert.deepEqual(
    (await decoded(path)).map((row) => (row instanceof Refusal ? row.code : row.value)),
    [1, 'device-id-invalid', 'telemetry-invalid', 'telemetry-invalid', 2],
  )
})

test('what is no Parquet, or is cut or damaged, is refused with a sentence, and the thread lives no longer', async (t) => {
  const whole = encoded(Array.from({ length: 500 }, (_, at) => ({ device: 'd', metric: 'n', atMs: at, value: Math.sin(at) })))
  const sql = await duck(t)
  const other = join(newFolder(t), 'other.parquet')
  await sql(`copy (select 1 as a) to '${other}' (format parquet)`)
  const damaged = (random: number) => {
    const bytes = Buffer.from(whole)
    for (let at = 0; at < 3; at += 1) bytes[(random * 7919 + at * 104_729) % bytes.length] = random % 256
    return bytes
  }
  const wrong = [Buffer.from('device,metric'), Buffer.alloc(0), whole.subarray(0, 300), whole.subarray(100), readFileSync(other)]
  for (const bytes of wrong) {
    const file = new ParquetImport()
    t.after(() => file.close())
    const read = async () => {
      await file.open(fileOf(t, bytes))
      await file.next(1)
    }
    await assert.rejects(read, { code: 'request-invalid' })
    file.close()
    await assert.rejects(file.next(1), /stopped/)
  }
  // Bytes turned over anywhere: rows, or a refusal, and never anything else.
  for (let random = 1; random <= 100; random += 1) {
    try {
      await decoded(fileOf(t, damaged(random)))
    } catch (error) {
      assert.ok(error instanceof Refusal, `${random}: ${error}`)
    }
  }
})
