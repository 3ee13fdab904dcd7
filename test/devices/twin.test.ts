// Twins, against a naive model of RFC 7396: what patches come to, the patch between two states, times of leaves, and the difference.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type JsonObject, merged, patchBetween } from '../../devices/merge-patch.ts'
import { changed, deltaOf, emptySection, isTwinName, type Section, whyNotState } from '../../devices/twin.ts'

const bounds = { twinBytes: 200, twinLevels: 3 }
const roomy = { twinBytes: 100_000, twinLevels: 10 }

/** The algorithm of the RFC, as it stands there. */
function naive(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result = (typeof target === 'object' && target !== null && !Array.isArray(target) ? structuredClone(target) : {}) as Record<
    string,
    unknown
  >
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = naive(result[name], value)
  }
  return result
}

const names = fc.constantFrom('a', 'b', 'c', 'valve')
const leaf = fc.oneof(
  fc.integer(),
  fc.boolean(),
  fc.string({ maxLength: 3 }),
  fc.array(fc.oneof(fc.integer(), fc.constant(null)), { maxLength: 2 }),
)
const { patch } = fc.letrec<{ patch: JsonObject }>((tie) => ({
  patch: fc.dictionary(names, fc.oneof({ maxDepth: 3, withCrossShrink: true }, leaf, fc.constant(null), tie('patch')), {
    maxKeys: 4,
  }) as fc.Arbitrary<JsonObject>,
}))

function pathsOf(state: JsonObject, above = ''): string[] {
  return Object.entries(state).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? pathsOf(value as JsonObject, `${above}${name}.`)
      : [`${above}${name}`],
  )
}

test('any patches come to what the RFC says, and the patch between two states leads from one to the other', () => {
  fc.assert(
    fc.property(fc.array(patch, { maxLength: 6 }), (patches) => {
      let state: JsonObject = {}
      for (const one of patches) {
        const next = merged(state, one)
        assert.deepEqual(next, naive(state, one))
        assert.deepEqual(merged(state, patchBetween(state, next)), next)
        assert.deepEqual(merged(next, patchBetween(next, state)), state, 'and back')
        assert.deepEqual(patchBetween(next, structuredClone(next)), {})
        state = next
      }
    }),
    { numRuns: 500 },
  )
})

test('each leaf has the time when it was last said, and nothing else has one', () => {
  fc.assert(
    fc.property(fc.array(patch, { maxLength: 6 }), (patches) => {
      let section: Section = emptySection
      const saidAt = new Map<string, number>()
      for (const [at, one] of patches.entries()) {
        section = changed(section, one, at, roomy) as Section
        for (const path of pathsOf(one)) saidAt.set(path, at)
      }
      assert.deepEqual(pathsOf(section.times).toSorted(), pathsOf(section.state).toSorted())
      const timeAt = (path: string) => path.split('.').reduce<unknown>((inner, name) => (inner as JsonObject)[name], section.times)
      for (const path of pathsOf(section.state)) assert.equal(timeAt(path), saidAt.get(path), path)
    }),
    { numRuns: 500 },
  )
})

test('the difference is all that is desired and not so, and nothing that is', () => {
  fc.assert(
    fc.property(patch, patch, (one, other) => {
      const [desired, reported] = [merged({}, one), merged({}, other)]
      const delta = deltaOf(desired, reported)
      assert.deepEqual(deltaOf(desired, merged(reported, delta)), {}, 'once it is reported, nothing is left')
      assert.deepEqual(merged(desired, delta), desired, 'it is part of what is desired')
      for (const path of pathsOf(delta)) {
        const at = (state: JsonObject) => path.split('.').reduce<unknown>((inner, name) => (inner as JsonObject | undefined)?.[name], state)
        assert.notDeepEqual(at(desired), at(reported), path)
      }
    }),
    { numRuns: 500 },
  )
  assert.deepEqual(deltaOf({ a: [1, 2], b: { c: 1, d: 2 }, e: {} }, { a: [1, 3], b: { c: 1 }, f: 1 }), { a: [1, 2], b: { d: 2 }, e: {} })
  assert.deepEqual(deltaOf({ a: { x: 1, y: [{ z: 1, w: 2 }] } }, { a: { y: [{ w: 2, z: 1 }], x: 1 } }), {}, 'whatever the order of members')
})

test('a member may be called __proto__', () => {
  const odd = JSON.parse('{"__proto__":{"a":1}}') as JsonObject
  const section = changed(emptySection, odd, 5, roomy) as Section
  assert.equal(JSON.stringify(section), '{"state":{"__proto__":{"a":1}},"times":{"__proto__":{"a":5}}}')
  assert.equal(JSON.stringify(patchBetween({}, odd)), '{"__proto__":{"a":1}}')
  assert.equal(JSON.stringify(patchBetween(odd, {})), '{"__proto__":null}')
  assert.equal(JSON.stringify(deltaOf(odd, {})), '{"__proto__":{"a":1}}')
})

test('what is no state is refused with the reason', () => {
  for (const [value, why] of [
    [[], /a JSON object, a merge patch, or by null/],
    ['on', /a JSON object/],
    [JSON.parse('{"a":1e999}'), /a number in a state is finite/],
    [{ a: { b: { c: {} } } }, /a state has at most 3 levels \(limits\.twinLevels\)/],
  ] as const)
    assert.match(whyNotState(value, bounds) ?? '', why)
  for (const value of [null, {}, { a: { b: { c: 1 } } }, { a: null }]) assert.equal(whyNotState(value, bounds), undefined)
  const full = changed(emptySection, { a: 'é'.repeat(80) }, 1, bounds) as Section
  assert.equal(changed(full, { b: 'é'.repeat(20) }, 2, bounds), 'the state would have 215 bytes, and may have 200 (limits.twinBytes)')
  assert.deepEqual(changed(full, null, 2, bounds), emptySection)
})

test('a twin has a narrow name', () => {
  for (const name of ['main', 'valve_2', 'A-1', 'x'.repeat(64)]) assert.ok(isTwinName(name), name)
  for (const name of ['', 'a b', 'a/b', 'a.b', 'é', 'a:b', 'x'.repeat(65)]) assert.ok(!isTwinName(name), name)
})
