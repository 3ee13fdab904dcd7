// The contract of twins: one order of versions, whatever changes them; what was, as long as there is room for it; and what is refused.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { JsonObject } from '../../devices/merge-patch.ts'
import { merged } from '../../devices/merge-patch.ts'
import { deltaOf, type StatePatch } from '../../devices/twin.ts'
import { Refusal, type RefusalCode } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { type Durability, frameFlags, type Store } from '../../hub/store/store.ts'
import type { DesiredChange, TwinChange, TwinState } from '../../hub/store/twins.ts'
import { newFolder, publish, stored } from './kit.ts'

type Open = (t: TestContext, folder: string, durability?: Durability) => Promise<Store>

/** As device 1, which is pump-1. */
export function report(store: Store, patch: unknown, twin = 'main', flags = 0): number {
  const topic = twin === 'main' ? 'devices/pump-1/state/reported' : `devices/pump-1/state/${twin}/reported`
  const text = typeof patch === 'string' ? patch : JSON.stringify(patch)
  return publish(store, topic, text, { device: 1, flags: frameFlags.reported | flags })
}

/** Resolves with the code of the refusal of a checked message. */
export function outcomeOf(store: Store, seq: number): Promise<string> {
  return new Promise((resolve) => store.journal.after({ stored: () => resolve('stored'), failed: (_, why) => resolve(why.code) }, 0, seq))
}

export function wanting(patch: StatePatch, change: Partial<DesiredChange> = {}): DesiredChange {
  return { device: 'pump-1', twin: 'main', patch, ifVersion: undefined, at: Date.now(), by: 'somebody', ...change }
}

async function withPump(t: TestContext, open: Open): Promise<{ store: Store; folder: string }> {
  const folder = newFolder(t)
  const store = await open(t, folder, 'batched')
  store.journal.appendDevice('pump-1', 1)
  await stored(store)
  return { store, folder }
}

async function refusal(of: Promise<unknown>): Promise<RefusalCode> {
  const why = await of.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(why instanceof Refusal)
  return why.code
}

const patches = fc.dictionary(
  fc.constantFrom('a', 'b', 'c'),
  fc.oneof(
    fc.constant(null),
    fc.integer({ max: 3, min: 0 }),
    fc.dictionary(fc.constantFrom('x', 'y'), fc.oneof(fc.constant(null), fc.integer({ max: 2, min: 0 }))),
  ),
)

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ is: fc.constant('report' as const), patch: patches, twin: fc.constantFrom('main', 'valve') }) },
    {
      weight: 3,
      arbitrary: fc.record({
        is: fc.constant('want' as const),
        patch: patches,
        twin: fc.constantFrom('main', 'valve'),
        stale: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ is: 'settle' as const }) },
    { weight: 1, arbitrary: fc.constant({ is: 'reopen' as const }) },
  ),
  { maxLength: 40 },
)

export function twinContract(name: string, open: Open): void {
  test(`${name}: whatever changes twins, their versions, states and past are those of a naive model`, async (t) => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const found = await withPump(t, open)
        let { store } = found
        const model = new Map<string, TwinState[]>()
        const of = (twin: string) => model.get(twin) ?? []
        const now = (twin: string): TwinState => of(twin).at(-1) ?? { version: 0, at: 0, desired: {}, reported: {}, delta: {} }
        const take = (twin: string, part: 'desired' | 'reported', patch: JsonObject) => {
          const before = now(twin)
          const after = { ...before, [part]: merged(before[part], patch) }
          if (JSON.stringify(sorted(after[part])) === JSON.stringify(sorted(before[part]))) {
            if (before.version === 0) model.set(twin, [])
            return
          }
          model.set(twin, [...of(twin), { ...after, version: before.version + 1, delta: deltaOf(after.desired, after.reported) }])
        }
        for (const step of all) {
          if (step.is === 'report') {
            report(store, step.patch, step.twin)
            take(step.twin, 'reported', step.patch)
          } else if (step.is === 'want') {
            await stored(store) // what was reported before the call comes before it
            const { version } = now(step.twin)
            const change = wanting(step.patch, { twin: step.twin, ifVersion: step.stale ? version + 1 : version })
            if (step.stale) assert.equal(await refusal(store.twins.change(change)), 'twin-changed')
            else {
              take(step.twin, 'desired', step.patch)
              assert.equal((await store.twins.change(change)).version, now(step.twin).version)
            }
          } else if (step.is === 'settle') await stored(store)
          else {
            await store.close()
            store = await open(t, found.folder, 'batched')
          }
        }
        await stored(store)
        for (const twin of ['main', 'valve']) {
          const { version, desired, reported, delta } = now(twin)
          const read = await store.twins.read('pump-1', twin)
          if (read === undefined) {
            assert.ok(!model.has(twin))
            continue
          }
          assert.deepEqual([read.version, read.desired, read.reported, read.delta], [version, desired, reported, delta])
          const { versions, hasMore } = await store.twins.versions('pump-1', twin, Number.MAX_SAFE_INTEGER, 100)
          assert.equal(hasMore, false)
          assert.deepEqual(
            versions.map((one) => one.version),
            of(twin)
              .map((one) => one.version)
              .toReversed(),
          )
          let state: Pick<TwinState, 'desired' | 'reported'> = { desired: {}, reported: {} }
          for (const [at, { part, patch }] of versions.toReversed().entries()) {
            state = { ...state, [part]: merged(state[part], patch) }
            assert.deepEqual([state.desired, state.reported], [of(twin)[at]!.desired, of(twin)[at]!.reported])
          }
        }
        await store.close()
      }),
      { numRuns: 10 },
    )
  })

  test(`${name}: a twin is read as it was at any time, and what lies between two times`, async (t) => {
    const { store } = await withPump(t, open)
    for (const at of [1000, 2000, 3000, 4000])
      await store.twins.change(wanting(at === 3000 ? { n: null, last: { at } } : { n: at, last: { at } }, { at }))
    const { twins } = store
    const stateAt = async (ms: number) => (await twins.at('pump-1', 'main', ms))?.desired
    assert.deepEqual(await stateAt(999), {})
    assert.deepEqual(await stateAt(1000), { n: 1000, last: { at: 1000 } })
    assert.deepEqual(await stateAt(2999), { n: 2000, last: { at: 2000 } })
    assert.deepEqual(await stateAt(3500), { last: { at: 3000 } })
    assert.deepEqual(await stateAt(9e12), { n: 4000, last: { at: 4000 } })
    const difference = await twins.difference('pump-1', 'main', 2500, 3500)
    assert.deepEqual(difference, {
      from: { version: 2, at: 2000 },
      to: { version: 3, at: 3000 },
      desired: { n: null, last: { at: 3000 } },
      reported: {},
    })
    const page = await twins.versions('pump-1', 'main', 4, 2)
    assert.deepEqual(
      [page.versions.map(({ version, at, by }) => [version, at, by]), page.hasMore],
      [
        [
          [3, 3000, 'somebody'],
          [2, 2000, 'somebody'],
        ],
        true,
      ],
    )
    assert.equal(await twins.at('pump-1', 'valve', 5), undefined)
    assert.equal(await twins.read('nobody', 'main'), undefined)
  })

  test(`${name}: what cannot be merged is refused before its commit where somebody waits for it, and else said of the device`, async (t) => {
    const { store } = await withPump(t, open)
    report(store, { a: 1 })
    await stored(store)
    const large = 'x'.repeat(limits.twinBytes)
    for (const wrong of ['', '{', '[1]', '"on"', '{"a":1e999}', JSON.stringify({ large }), `${'{"a":'.repeat(11)}1${'}'.repeat(11)}`]) {
      assert.equal(await outcomeOf(store, report(store, wrong, 'main', frameFlags.checked)), 'twin-invalid', wrong.slice(0, 20))
      assert.equal((await store.device('pump-1'))?.lastRefusal, null)
    }
    const invalid = Buffer.from([0x22, 0xff, 0x22])
    const topic = 'devices/pump-1/state/reported'
    publish(store, topic, invalid, { device: 1, flags: frameFlags.reported })
    await stored(store)
    const { lastRefusal } = (await store.device('pump-1'))!
    assert.equal(lastRefusal?.topic, topic)
    assert.equal(lastRefusal?.sentence, new Refusal('twin-invalid', { detail: 'it is not UTF-8' }).message)
    // A refused one refuses nothing else of its batch.
    const [one, two] = [report(store, '{', 'main', frameFlags.checked), report(store, { b: 2 }, 'main', frameFlags.checked)]
    assert.deepEqual(await Promise.all([outcomeOf(store, one), outcomeOf(store, two)]), ['twin-invalid', 'stored'])
    assert.deepEqual((await store.twins.read('pump-1', 'main'))?.reported, { a: 1, b: 2 })
    const past = await store.past({ filters: ['#'], afterSeq: 0, toSeq: store.journal.storedSeq })
    assert.ok(
      past.messages.every(({ seq }) => seq !== one),
      'it is void in the journal',
    )
    assert.equal(await refusal(store.twins.change(wanting({ large }))), 'twin-invalid')
    assert.equal(await refusal(store.twins.change(wanting({ a: 1 }, { device: 'pump-2' }))), 'device-unknown')
    assert.equal((await store.twins.read('pump-1', 'main'))?.version, 2)
  })

  test(`${name}: a device has a bounded number of twins, and each can be removed`, async (t) => {
    const { store } = await withPump(t, open)
    for (let twin = 0; twin < limits.twinsPerDevice; twin++) report(store, { twin }, `t${twin}`)
    assert.equal(await outcomeOf(store, report(store, { a: 1 }, 'more', frameFlags.checked)), 'twin-invalid')
    assert.equal(await outcomeOf(store, report(store, { a: 1 }, 'no name', frameFlags.checked)), 'twin-invalid')
    assert.equal(await refusal(store.twins.change(wanting({ a: 1 }, { twin: 'more' }))), 'twin-invalid')
    assert.equal(await refusal(store.twins.remove('pump-1', 't3', 7)), 'twin-changed')
    assert.equal(await store.twins.remove('pump-1', 't3', 1), true)
    assert.equal(await store.twins.remove('pump-1', 't3', undefined), false)
    assert.equal(await outcomeOf(store, report(store, { a: 1 }, 'more', frameFlags.checked)), 'stored')
    const list = await store.twins.list('pump-1')
    assert.equal(list.length, limits.twinsPerDevice)
    assert.deepEqual([list[0]?.twin, list[0]?.version, list[0]?.isSettled], ['more', 1, true])
  })

  test(`${name}: who listens hears of a batch once it is on disk, each twin once`, async (t) => {
    const { store } = await withPump(t, open)
    const told: (readonly TwinChange[])[] = []
    const others: number[] = []
    store.twins.onChange((changes) => told.push(changes))
    store.twins.onChange((changes) => others.push(changes.length))
    report(store, { a: 1, b: 1 })
    report(store, { a: 2 })
    report(store, { v: 1 }, 'valve')
    report(store, { v: 1 }, 'valve')
    await stored(store)
    const { version } = await store.twins.change(wanting({ a: 3 }))
    await store.twins.change(wanting({ a: 3 }))
    await store.twins.change(wanting({ large: 'x'.repeat(limits.twinToldBytes) }))
    await store.twins.remove('pump-1', 'main', undefined)
    const words = told.map((changes) => changes.map((one) => [one.twin, one.version, one.desired, one.reported, one.isGone]))
    assert.deepEqual(words, [
      [
        ['main', 2, undefined, '{"a":2,"b":1}', false],
        ['valve', 1, undefined, '{"v":1}', false],
      ],
      [['main', version, '{"a":3}', undefined, false]],
      [['main', version + 1, null, undefined, false]],
      [['main', version + 2, '{"a":null,"large":null}', '{"a":null,"b":null}', true]],
    ])
    assert.deepEqual(others, [2, 1, 1, 1])
  })

  test(`${name}: many are changed at once, each with its own outcome, and what is desired is read for those who are to hear it`, async (t) => {
    const { store } = await withPump(t, open)
    store.journal.appendDevice('pump-2', 2)
    await stored(store)
    await store.twins.change(wanting({ a: 1 }))
    const outcomes = await store.twins.changeAll(
      ['pump-1', 'pump-2', 'pump-3', 'pump-1'].map((device) => wanting({ a: 1, b: 2 }, { device })),
    )
    assert.deepEqual(
      outcomes.map((one) => ('refused' in one ? one.refused : [one.version, one.changed])),
      [[2, true], [1, true], 'device-unknown', [2, false]],
    )
    report(store, { a: 1 })
    report(store, { only: 'reported' }, 'valve')
    await stored(store)
    const asked = [
      { device: 'pump-1', twin: undefined },
      { device: 'pump-2', twin: 'main' },
      { device: 'pump-2', twin: 'valve' },
      { device: 'pump-3', twin: undefined },
    ]
    assert.deepEqual(await store.twins.desired(asked), [
      { device: 'pump-1', twin: 'main', json: '{"version":3,"state":{"a":1,"b":2},"delta":{"b":2}}' },
      { device: 'pump-2', twin: 'main', json: '{"version":1,"state":{"a":1,"b":2},"delta":{"a":1,"b":2}}' },
    ])
  })

  test(`${name}: a device that is deleted has no twin any more, and one that comes later begins anew`, async (t) => {
    const { store } = await withPump(t, open)
    report(store, { a: 1 })
    await stored(store)
    await store.twins.change(wanting({ a: 2 }))
    const late = report(store, { late: true })
    assert.equal(await store.deleteDevice('pump-1'), true)
    assert.equal(await outcomeOf(store, late), 'stored')
    report(store, { late: true })
    store.journal.appendDevice('pump-1', 2)
    await stored(store)
    assert.equal(await store.twins.read('pump-1', 'main'), undefined)
    const twin = await store.twins.change(wanting({ b: 1 }))
    assert.deepEqual([twin.version, twin.desired, twin.reported], [1, { b: 1 }, {}])
    assert.equal((await store.twins.versions('pump-1', 'main', Number.MAX_SAFE_INTEGER, 9)).versions.length, 1)
  })
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  )
}
