// Commands as the store keeps them: with the batch that tells of them, for as long and as many as there is room.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import type { CommandState, Step } from '../../devices/commands.ts'
import type { CommandRecord } from '../../hub/store/commands.ts'
import { CommandRows } from '../../hub/store/sqlite/command-rows.ts'
import { FrameBuffer, FrameCursor, frameKinds } from '../../hub/store/sqlite/frame.ts'
import { migrate } from '../../hub/store/sqlite/schema.ts'
import { recordKinds, type Store } from '../../hub/store/store.ts'
import { newFolder, openIn, stored } from './kit.ts'

const nowMs = Date.now()

function made(number: number, more: object = {}): CommandRecord {
  const trail: Step[] = [['queued', nowMs]]
  const row = { number, bulk: undefined, name: 'stop', key: undefined, state: 'queued' as const, deadlineMs: nowMs + 1000, attempts: 0 }
  return { is: 'made', command: { ...row, attemptsMax: 3, heldBy: 0, seq: 0, trail, params: '{"n":1}', by: 'me', ...more } }
}

const step = (number: number, state: CommandState, isOver: boolean, more: object = {}): CommandRecord => {
  return { is: 'step', number, step: [state, nowMs + 1], isOver, ...more }
}

function tell(store: Store, device: number, ...records: CommandRecord[]): Promise<number> {
  for (const record of records) store.journal.appendRecord(recordKinds.command, device, '', JSON.stringify(record), false)
  return stored(store)
}

test('what was told is there after a start, with every step and what was answered', async (t) => {
  const folder = newFolder(t)
  const before = await openIn(t, folder)
  before.journal.appendDevice('pump-1', 1)
  await tell(before, 1, made(10), step(10, 'sent', false, { attempts: 1, heldBy: 7, seq: 5 }), made(11, { key: 'k' }))
  await tell(before, 1, step(10, 'done', true, { result: '[1]' }), step(10, 'failed', true), made(12, { key: 'k' }))
  await tell(before, 1, { ...made(13, { key: 'k' }), supersedes: [11, 12] } as CommandRecord, {
    is: 'late',
    number: 11,
    status: 'done',
    at: 9,
  })
  await before.close()

  const store = await openIn(t, folder)
  const ten = await store.commands.find(10)
  assert.deepEqual(
    [ten?.state, ten?.result, ten?.params, ten?.by, ten?.attempts, ten?.heldBy, ten?.seq],
    ['done', '[1]', '{"n":1}', 'me', 1, 7, 5],
  )
  assert.deepEqual(
    ten?.trail.map(([state]) => state),
    ['queued', 'sent', 'done'],
    'what is over stays as it is',
  )
  const eleven = await store.commands.find(11)
  assert.deepEqual([eleven?.state, eleven?.trail.at(-1)?.[2], eleven?.late], ['cancelled', 'superseded', { status: 'done', at: 9 }])
  assert.deepEqual(
    (await store.commands.open(0)).map(({ number }) => number),
    [13],
  )
  assert.deepEqual(
    (await store.commands.page({ states: ['cancelled'], before: 12, limit: 10 })).map(({ number }) => number),
    [11],
  )
  assert.equal(await store.commands.newest(), 13)
})

test('of a device that is not there nothing is kept, and what is deleted takes its commands with it', async (t) => {
  const store = await openIn(t, newFolder(t))
  store.journal.appendDevice('pump-1', 1)
  await tell(store, 1, made(10))
  await tell(store, 2, made(11), step(11, 'sent', false))
  assert.equal(await store.commands.find(11), undefined)
  await store.deleteDevice('pump-1')
  await tell(store, 1, step(10, 'done', true, { result: '1' }))
  assert.deepEqual(await store.commands.page({ limit: 10 }), [])
})

test('those that are over go, the oldest first, past their number and their age', () => {
  const bounds = { commands: 50, bytes: 1_000_000, days: 30 }
  const db = new Database(':memory:')
  db.pragma('foreign_keys = ON')
  migrate(db)
  db.prepare("INSERT INTO devices (number, id, name, created_ms) VALUES (1, 'a', 'a', 0)").run()
  const rows = new CommandRows(db, bounds)
  const encoder = new TextEncoder()
  const apply = (record: CommandRecord) => {
    const frames = new FrameBuffer()
    const body = encoder.encode(JSON.stringify(record))
    frames.append(1, nowMs, 1, frameKinds.record, recordKinds.command, encoder.encode(''), undefined, body, 0, body.length)
    const cursor = new FrameCursor(Buffer.from(frames.buffer, 0, frames.length))
    cursor.next()
    rows.apply(cursor)
  }
  const count = (table: string) => db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get()
  db.transaction(() => {
    for (let number = 1; number <= bounds.commands; number++) {
      apply(made(number))
      apply({ ...step(number, 'done', true), step: ['done', nowMs + number] } as CommandRecord)
    }
  })()
  assert.deepEqual([count('commands'), count('command_bodies')], [bounds.commands, bounds.commands])
  for (const number of [200_000, 200_001]) {
    apply(made(number))
    apply({ ...step(number, 'done', true), step: ['done', nowMs + number] } as CommandRecord)
  }
  assert.deepEqual([count('commands'), count('command_bodies')], [bounds.commands, bounds.commands])
  assert.equal(db.prepare('SELECT min(number) FROM commands').pluck().get(), 3)
  apply(made(200_002))
  const later = nowMs + (bounds.days + 1) * 24 * 3_600_000
  apply({ ...step(200_002, 'done', true), step: ['done', later] } as CommandRecord)
  assert.equal(db.prepare('SELECT min(number) FROM commands').pluck().get(), 5)
  db.close()
})
