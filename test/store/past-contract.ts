// What every database behind the Store interface has to do for those who go by cursor.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { Cursors } from '../../hub/store/cursors.ts'
import type { Store } from '../../hub/store/store.ts'
import type { OpenStore } from './contract.ts'
import { newFolder, publish, stored } from './kit.ts'

/** All pages, one after the other. */
async function pastOf(store: Store, filters: readonly string[], afterSeq = 0, toSeq = store.journal.newestSeq): Promise<Message[]> {
  const messages: Message[] = []
  for (let seq = afterSeq; seq < toSeq; ) {
    const page = await store.past({ filters, afterSeq: seq, toSeq })
    assert.ok(page.toSeq > seq, 'each look comes further')
    messages.push(...page.messages)
    seq = page.toSeq
  }
  return messages
}

const texts = (messages: readonly Message[]) => messages.map(({ topic, payload }) => `${topic} ${Buffer.from(payload)}`)

export function pastContract(name: string, open: OpenStore): void {
  /** Ten messages in three topics, in several batches. */
  async function withMessages(t: TestContext, folder = newFolder(t)): Promise<{ store: Store; first: number }> {
    const store = await open(t, folder)
    const first = publish(store, 'a/1', 'm0', { flags: 1 })
    for (let at = 1; at < 10; at += 1) {
      store.sessionLog.opened(at, `c${at}`, 60, undefined, '') // what is no message is passed over
      publish(store, `a/${at % 3}`, `m${at}`, { flags: at % 3, properties: Buffer.from([1, at % 2]) })
      if (at % 2 === 0) await stored(store)
    }
    await stored(store)
    return { store, first }
  }

  test(`${name}: messages come back by filter, in their order, with all that belongs to them`, async (t) => {
    const { store } = await withMessages(t)
    assert.deepEqual(texts(await pastOf(store, ['a/0'])), ['a/0 m3', 'a/0 m6', 'a/0 m9'])
    assert.deepEqual(texts(await pastOf(store, ['a/2', 'b', 'a/0'])), ['a/2 m2', 'a/0 m3', 'a/2 m5', 'a/0 m6', 'a/2 m8', 'a/0 m9'])
    assert.equal((await pastOf(store, ['#'])).length, 10)
    assert.equal((await pastOf(store, ['+/none'])).length, 0)
    const [message] = await pastOf(store, ['a/2'])
    assert.deepEqual(
      { ...message, payload: Buffer.from(message!.payload).toString(), properties: [...message!.properties!] },
      {
        seq: message!.seq,
        topic: 'a/2',
        payload: 'm2',
        qos: 2,
        retain: false,
        properties: [1, 0],
        atMs: message!.atMs,
        expiresAtMs: Number.POSITIVE_INFINITY,
        from: undefined,
      },
    )
  })

  test(`${name}: a look begins behind one number and ends with the other`, async (t) => {
    const { store } = await withMessages(t)
    const all = await pastOf(store, ['#'])
    for (const [at, { seq }] of all.entries()) {
      assert.deepEqual(texts(await pastOf(store, ['#'], seq)), texts(all.slice(at + 1)))
      assert.deepEqual(texts(await pastOf(store, ['#'], 0, seq)), texts(all.slice(0, at + 1)))
    }
    const page = await store.past({ filters: ['none'], afterSeq: 3, toSeq: 5 })
    assert.deepEqual(page, { messages: [], toSeq: 5, trimmedSeq: 0 })
  })

  test(`${name}: a look is bounded in messages and in bytes, and the next goes on where it ended`, async (t) => {
    const store = await open(t, newFolder(t))
    const many = limits.historyPageMessages + 10
    for (let at = 0; at < many; at += 1) publish(store, 'many', `${at}`, { flags: 1 })
    const large = Buffer.alloc(limits.historyPageBytes / 4, 0x61)
    for (let at = 0; at < 6; at += 1) publish(store, 'large', large, { flags: 1 })
    await stored(store)
    const toSeq = store.journal.newestSeq
    assert.equal((await store.past({ filters: ['many'], afterSeq: 0, toSeq })).messages.length, limits.historyPageMessages)
    assert.equal((await store.past({ filters: ['large'], afterSeq: 0, toSeq })).messages.length, 4)
    assert.equal((await pastOf(store, ['many'])).length, many)
    assert.equal((await pastOf(store, ['large'])).length, 6)
  })

  test(`${name}: the newest of a filter are found by their count`, async (t) => {
    const { store, first } = await withMessages(t)
    const last = async (count: number, filters = ['a/0', 'a/1']) =>
      texts(await pastOf(store, filters, await store.seqOfLast(filters, count)))
    assert.deepEqual(await last(2), ['a/1 m7', 'a/0 m9'])
    assert.deepEqual(await last(3), ['a/0 m6', 'a/1 m7', 'a/0 m9'])
    assert.equal((await last(100)).length, 7)
    assert.equal(await store.seqOfLast(['#'], 100), first - 1, 'the beginning, when there are fewer')
    assert.equal(await store.seqOfLast(['#'], 0), store.journal.newestSeq)
    assert.deepEqual(await last(5, ['none']), [])
  })

  test(`${name}: the newest are found also when more lies behind them than one look passes over`, async (t) => {
    const store = await open(t, newFolder(t))
    publish(store, 'seldom', 'old', { flags: 1 })
    const other = Buffer.alloc(256 * 1024)
    for (let at = 0; at < 40; at += 1) {
      publish(store, 'often', other, { flags: 1 })
      if (at % 8 === 0) await stored(store)
    }
    publish(store, 'seldom', 'new', { flags: 1 })
    await stored(store)
    assert.deepEqual(texts(await pastOf(store, ['seldom'], await store.seqOfLast(['seldom'], 2))), ['seldom old', 'seldom new'])
    assert.deepEqual(texts(await pastOf(store, ['seldom'], await store.seqOfLast(['seldom'], 1))), ['seldom new'])
  })

  test(`${name}: a time names what was stored from then on`, async (t) => {
    const { store, first } = await withMessages(t)
    const all = await pastOf(store, ['#'])
    assert.equal(await store.seqAt(0), first - 1)
    assert.equal(await store.seqAt(Date.now() + 60_000), store.journal.newestSeq)
    for (const { seq, atMs } of all) assert.ok((await store.seqAt(atMs)) < seq, 'nothing of that time is left out')
    const newest = all.at(-1)!
    assert.ok((await store.seqAt(newest.atMs + 1)) >= newest.seq - 2, 'nor is much from before it brought along')
  })

  test(`${name}: cursors and what they name outlive the run; a run has an epoch of its own`, async (t) => {
    const folder = newFolder(t)
    const { store } = await withMessages(t, folder)
    const before = await pastOf(store, ['#'])
    const cursors = before.map(({ seq }) => store.cursors.cursorOf(seq))
    const end = store.journal.newestSeq
    await store.close()

    const again = await open(t, folder)
    const seq = publish(again, 'a/0', 'm10', { flags: 1 })
    await stored(again)
    assert.deepEqual(texts(await pastOf(again, ['#'])), [...texts(before), 'a/0 m10'])
    assert.deepEqual(
      before.map((message) => again.cursors.cursorOf(message.seq)),
      cursors,
    )
    for (const [at, cursor] of cursors.entries())
      assert.deepEqual(again.cursors.placeOf(cursor, seq), { seq: before[at]!.seq, known: true })
    assert.equal(again.cursors.cursorOf(seq), `${again.journal.epoch}.${seq}`)
    // The first run never gave this number: it was lost with a power cut, say.
    assert.deepEqual(again.cursors.placeOf(`${store.journal.epoch}.${end + 1}`, seq), { seq: end, known: false })
    assert.deepEqual(again.cursors.placeOf(`${again.journal.epoch}.${seq + 1}`, seq), { seq, known: false }, 'nobody has given it yet')
    assert.deepEqual(again.cursors.placeOf('7.1', seq), { seq: 0, known: false }, 'of another database')
  })

  test(`${name}: another database has other epochs`, async (t) => {
    const one = await open(t, newFolder(t))
    assert.ok(one.journal.epoch > 1_700_000_000, 'it begins with the time, in seconds')
  })

  test(`${name}: where a session stands that goes by cursor is remembered, and the newest word counts`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder)
    store.sessionLog.opened(1, 'follower', 60, undefined, '')
    store.sessionLog.followed(1, 5)
    store.sessionLog.followed(1, 17)
    store.sessionLog.opened(2, 'other', 60, undefined, '')
    await store.close()
    const again = await open(t, folder)
    assert.deepEqual(
      [...again.sessionsAtStart].map(({ clientId, followedSeq }) => [clientId, followedSeq]),
      [
        ['follower', 17],
        ['other', undefined],
      ],
    )
    again.sessionLog.followed(1, 23)
    await again.close()
    assert.equal([...(await open(t, folder)).sessionsAtStart][0]?.followedSeq, 23)
  })
}

test('a cursor is two numbers with a point between them', () => {
  const cursors = new Cursors([{ epoch: 3, firstSeq: 10 }])
  for (const text of ['', '3', '3.', '.3', '3.1.1', '-3.1', '3.1e3', ' 3.1', '3.12345678901234567', 'x'.repeat(1000)]) {
    assert.equal(cursors.isCursor(text), false, text)
    assert.throws(
      () => cursors.placeOf(text, 10),
      (error) => error instanceof Refusal && error.code === 'cursor-invalid' && error.message.length < 200,
    )
  }
  assert.equal(cursors.cursorOf(4), '3.4', 'from before epochs were kept')
  assert.deepEqual(cursors.placeOf('3.4', 10), { seq: 4, known: true })
})
