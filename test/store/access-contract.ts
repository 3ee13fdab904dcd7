// What every database behind the Store interface has to do for who may come in, and for the audit log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import type { AccessStore, AuditEntry, AuditQuery } from '../../hub/store/access.ts'
import type { OpenStore } from './contract.ts'
import { newFolder } from './kit.ts'

export function entry(at: number, more: Partial<AuditEntry> = {}): AuditEntry {
  return { at, who: 'ada', from: '10.0.0.7', action: 'sign-in', target: 'user ada', outcome: 'done', detail: '', ...more }
}

/** All pages, one after the other. */
export async function auditOf(access: AccessStore, query: Partial<AuditQuery> = {}): Promise<(AuditEntry & { readonly id: number })[]> {
  const { limit = 1000, ...asked } = query
  const entries: (AuditEntry & { readonly id: number })[] = []
  for (let after: number | undefined = query.after ?? Number.MAX_SAFE_INTEGER; after !== undefined; ) {
    const page = await access.audit({ ...asked, limit, after })
    assert.ok(
      page.next === undefined ? page.entries.length <= limit : page.entries.length === limit,
      'a page with another one behind it is full',
    )
    entries.push(...page.entries)
    after = page.next
  }
  return entries
}

export function accessContract(name: string, open: OpenStore): void {
  for (const durability of ['fsync', 'batched', 'memory'] as const) {
    test(`${name}, ${durability}: who may come in is there at the next start, as it was written last`, async (t) => {
      const folder = newFolder(t)
      const store = await open(t, folder, durability)
      const { access } = store
      assert.deepEqual(access.atStart, [])
      const put = (id: string, body: string, kind = 'user') => ({ kind, id, body })
      await access.write([put('ada', '{"n":1}'), put('bob', '{}'), put('ada', '{"of":"another kind"}', 'key')], [])
      await access.write([put('ada', '{"n":2}'), { kind: 'user', id: 'bob', body: null }], [entry(1)])
      await access.write([{ kind: 'user', id: 'nobody', body: null }], [])
      await access.write([], [])
      await store.close()

      const again = await open(t, folder, durability)
      assert.deepEqual(again.access.atStart, [put('ada', '{"of":"another kind"}', 'key'), put('ada', '{"n":2}')])
      assert.deepEqual(await auditOf(again.access), [{ id: 1, ...entry(1) }])
    })
  }

  test(`${name}: writes that nobody waits for in between take effect in their order`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder)
    const bodies = Array.from({ length: 500 }, (_, at) => (at % 3 === 2 ? null : JSON.stringify(at)))
    await Promise.all(bodies.map((body, at) => store.access.write([{ kind: 'k', id: String(at % 7), body }], [entry(at)])))
    assert.deepEqual(
      (await auditOf(store.access)).map(({ at }) => at),
      bodies.map((_, at) => at).reverse(),
    )
    await store.close()

    const expected = new Map<string, string | null>(bodies.map((body, at) => [String(at % 7), body]))
    const left = [...expected].flatMap(([id, body]) => (body === null ? [] : [{ kind: 'k', id, body }]))
    assert.deepEqual(
      (await open(t, folder)).access.atStart,
      left.sort((a, b) => (a.id < b.id ? -1 : 1)),
    )
  })

  test(`${name}: the audit log is found by time, by who, what and whom, the newest first, page by page`, async (t) => {
    const store = await open(t, newFolder(t), 'memory')
    const word = fc.constantFrom('a', 'b', 'it’s', '')
    const some = fc.record({ at: fc.integer({ min: -5, max: 30 }), who: word, action: word, target: word })
    const all: AuditEntry[] = []
    await fc.assert(
      fc.asyncProperty(
        fc.array(some, { maxLength: 8 }),
        fc.record(
          { fromMs: fc.integer({ min: -6, max: 31 }), toMs: fc.integer({ min: -6, max: 31 }), who: word, action: word, target: word },
          { requiredKeys: [] },
        ),
        fc.integer({ min: 1, max: 5 }),
        async (more, query, limit) => {
          const entries = more.map((one) => entry(one.at, { ...one, outcome: one.at % 2 === 0 ? 'done' : 'refused' }))
          await store.access.write([], entries)
          all.push(...entries)
          const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY, who, action, target } = query
          const is = (asked: string | undefined, found: string) => asked === undefined || asked === found
          const expected = all
            .map((one, at) => ({ id: at + 1, ...one }))
            .filter((one) => one.at >= fromMs && one.at <= toMs)
            .filter((one) => is(who, one.who) && is(action, one.action) && is(target, one.target))
            .reverse()
          assert.deepEqual(await auditOf(store.access, { ...query, limit }), expected)
        },
      ),
      { numRuns: 60 },
    )
  })

  test(`${name}: an entry that is older than 50,000 others is found, and a page behind the last is empty`, async (t) => {
    const { access } = await open(t, newFolder(t), 'memory')
    await access.write([], [entry(0, { who: 'first' })])
    for (let at = 1; at <= 50_000; at += 1000)
      await access.write(
        [],
        Array.from({ length: 1000 }, (_, more) => entry(at + more)),
      )
    assert.deepEqual(await access.audit({ who: 'first', limit: 1 }), {
      entries: [{ id: 1, ...entry(0, { who: 'first' }) }],
      next: undefined,
    })
    assert.deepEqual(await access.audit({ who: 'nobody', limit: 10 }), { entries: [], next: undefined })
    assert.deepEqual(await access.audit({ limit: 10, after: 1 }), { entries: [], next: undefined })
    const last = await access.audit({ limit: 2, after: 4 })
    assert.deepEqual([last.entries.map(({ id }) => id), last.next], [[3, 2], 2])
    assert.equal((await auditOf(access, { fromMs: 10_000, toMs: 30_000 })).length, 20_001)
  })

  test(`${name}: a text that is too long for the audit log is cut between two characters, and the entry is kept`, async (t) => {
    const { access } = await open(t, newFolder(t))
    const most = limits.auditTextBytes
    const texts = ['x'.repeat(most), 'x'.repeat(most + 1), 'é'.repeat(most), `x${'🜁'.repeat(most)}`, '…'.repeat(most / 3)]
    await access.write(
      [],
      texts.map((detail, at) => entry(at, { detail, who: detail })),
    )
    const found = (await auditOf(access)).reverse()
    for (const [at, { detail, who }] of found.entries()) {
      const text = texts[at]!
      assert.equal(who, detail)
      assert.ok(Buffer.byteLength(detail) <= most)
      if (Buffer.byteLength(text) <= most) assert.equal(detail, text)
      else assert.ok(detail.endsWith('…') && text.startsWith(detail.slice(0, -1)) && Buffer.byteLength(detail) > most - 8, detail.slice(-8))
    }
  })

  test(`${name}: when too much waits for the disk entries are refused first, changes later, and what was taken is there`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder, 'memory')
    const body = JSON.stringify('x'.repeat(64 * 1024))
    const isRefused = (error: unknown) =>
      error instanceof Refusal && error.code === 'store-failed' && /limits\.accessWaitingBytes/.test(error.message)
    const count = Math.floor(limits.accessWaitingBytes / (body.length + 200))
    const taken = Array.from({ length: count }, (_, at) => store.access.write([{ kind: 'k', id: String(at), body }], [entry(at)]))
    await assert.rejects(store.access.write([], [entry(0)]), isRefused)
    await assert.rejects(store.access.write([{ kind: 'k', id: 'more', body: JSON.stringify(body.repeat(2)) }], []), isRefused)
    await Promise.all(taken)
    await store.access.write([], [entry(0)])
    await store.close()
    const again = await open(t, folder, 'memory')
    assert.equal(again.access.atStart.length, count)
    assert.equal((await auditOf(again.access)).length, count + 1)
  })

  test(`${name}: what was written when the store is closed is on disk`, async (t) => {
    const folder = newFolder(t)
    const store = await open(t, folder)
    const writes = Array.from({ length: 50 }, (_, at) => store.access.write([{ kind: 'k', id: String(at), body: '1' }], [entry(at)]))
    await store.close()
    await Promise.all(writes)
    assert.equal((await open(t, folder)).access.atStart.length, 50)
  })
}
