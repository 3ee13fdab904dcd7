// Points on their way into the store, before a disk that is as slow as the test wants: what waits is bounded, and what is lost is said.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Intake } from '../../hub/api/intake.ts'
import { readingBy } from '../../hub/api/readings.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { Metrics } from '../../hub/metrics.ts'
import { Devices } from '../../hub/routing/devices.ts'
import { Retained } from '../../hub/routing/retained.ts'
import { Router } from '../../hub/routing/router.ts'
import { TopicTree } from '../../hub/routing/topic-tree.ts'
import type { Journal, Waiter } from '../../hub/store/store.ts'
import { HandClock } from '../kit/clock.ts'
import { anybody } from '../kit/principals.ts'

/** Commits when the test says so. */
class HandJournal implements Journal {
  readonly epoch = 1
  newestSeq = 0
  newestMessageSeq = 0
  storedSeq = 0
  full = false
  waitingBytes = 0
  messages: string[] = []
  #waiters: [waiter: Waiter, token: number][] = []
  #whenRoom: (() => void)[] = []

  append(
    topic: Uint8Array,
    _device: number,
    _flags: number,
    _properties: Uint8Array | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    this.waitingBytes += end - start
    this.messages.push(`${Buffer.from(topic)} ${Buffer.from(bytes.subarray(start, end))}`)
    this.newestMessageSeq = ++this.newestSeq
    return this.newestSeq
  }

  appendDevice(): number {
    return ++this.newestSeq
  }

  appendRecord(): number {
    return ++this.newestSeq
  }

  after(waiter: Waiter, token: number): void {
    this.#waiters.push([waiter, token])
  }

  whenRoom(resume: () => void): void {
    this.#whenRoom.push(resume)
  }

  routedBy(): void {}

  commit(why?: Refusal): void {
    const waiters = this.#waiters
    this.#waiters = []
    this.waitingBytes = 0
    for (const [waiter, token] of waiters) {
      if (why === undefined) waiter.stored(token, this.newestSeq)
      else waiter.failed(token, why)
    }
  }

  makeRoom(): void {
    this.full = false
    const resumes = this.#whenRoom
    this.#whenRoom = []
    for (const resume of resumes) resume()
  }
}

function intakeOver(journal: HandJournal): Intake {
  const clock = new HandClock()
  const metrics = new Metrics()
  const devices = new Devices(new Map(), journal, clock, { onDeviceCreated: () => {}, onDeviceRemoved: () => {} })
  return new Intake(new Router(new TopicTree(), new Retained(), journal, devices, clock, metrics), journal, metrics, readingBy(anybody))
}

const isPending = async (promise: Promise<unknown>) =>
  (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, 'pending'))])) === 'pending'

test('while the disk stands still a bounded number of bytes waits, and nothing more is taken', async () => {
  const journal = new HandJournal()
  const intake = intakeOver(journal)
  let added = 0
  let room = intake.room()
  while (!(await isPending(room))) {
    for (let row = 0; row < 1000; row += 1) {
      intake.add(added + 1, { device: `d-${Math.floor(added / 500) % 30}`, metric: 'n', atMs: added, value: added / 3 })
      added += 1
    }
    room = intake.room()
    assert.ok(added < 200_000, 'it never had enough')
  }
  const most = limits.importWaitingBytes + limits.importOpenBytes + 2 * limits.importMessageBytes
  assert.ok(journal.waitingBytes > limits.importWaitingBytes && journal.waitingBytes < most, `${journal.waitingBytes} bytes`)
  journal.commit()
  await room
  const done = intake.finish()
  while (await isPending(done)) journal.commit()
  assert.deepEqual(await done, { stored: added, refused: [] })
})

test('a journal that is full is waited for', async () => {
  const journal = new HandJournal()
  const intake = intakeOver(journal)
  journal.full = true
  const room = intake.room()
  assert.ok(await isPending(room))
  journal.makeRoom()
  await room
})

test('points of one time are one reading, and the devices of a file do not mix', async () => {
  const journal = new HandJournal()
  const intake = intakeOver(journal)
  const rows = [
    ['a', 'x', 1, 1.5],
    ['b', 'x', 1, -0],
    ['a', 'y"', 1, 'text'],
    ['a', 'x', 2, { b: [null] }],
  ] as const
  for (const [line, [device, metric, atMs, value]] of rows.entries()) intake.add(line + 1, { device, metric, atMs, value })
  const done = intake.finish()
  while (await isPending(done)) journal.commit()
  assert.deepEqual(journal.messages, [
    'devices/a/telemetry [{"ts":1,"values":{"x":1.5,"y\\"":"text"}},{"ts":2,"values":{"x":{"b":[null]}}}]',
    'devices/b/telemetry [{"ts":1,"values":{"x":-0}}]',
  ])
})

test('a message is no larger than any message may be, whatever is in it', async () => {
  const journal = new HandJournal()
  const intake = intakeOver(journal)
  const value = '\u0001'.repeat(limits.valueBytes) // JSON writes each of them in six bytes
  const wide = '€'.repeat(Math.floor(limits.valueBytes / 3))
  for (let row = 0; row < 40; row += 1) intake.add(row + 1, { device: 'd', metric: 'n', atMs: row, value: row % 2 === 0 ? value : wide })
  const done = intake.finish()
  while (await isPending(done)) journal.commit()
  assert.deepEqual(await done, { stored: 40, refused: [] })
  for (const message of journal.messages) assert.ok(Buffer.byteLength(message) < limits.packetBytes)
})

test('a disk that is full ends the import with that reason; a message that is refused for good is named', async () => {
  const full = new HandJournal()
  const broken = intakeOver(full)
  broken.add(1, { device: 'd', metric: 'n', atMs: 1, value: 1 })
  const failed = assert.rejects(broken.finish(), { code: 'store-full' })
  await new Promise(setImmediate)
  full.commit(new Refusal('store-full'))
  await failed
  await assert.rejects(broken.room(), { code: 'store-full' })

  const journal = new HandJournal()
  const intake = intakeOver(journal)
  for (let line = 7; line < 10; line += 1) intake.add(line, { device: 'd', metric: 'n', atMs: line, value: 1 })
  const done = intake.finish()
  await new Promise(setImmediate)
  journal.commit(new Refusal('telemetry-invalid', { detail: 'so it is' }))
  const { stored, refused } = await done
  assert.deepEqual([stored, refused.map(({ line, code }) => [line, code])], [0, [[7, 'telemetry-invalid']]])
  assert.match(refused[0]?.detail ?? '', /so it is.*3 points/)
})
