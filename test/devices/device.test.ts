// What may be said of a device.
import assert from 'node:assert/strict'
import test from 'node:test'
import { changedTags, readDeviceChange } from '../../devices/device.ts'
import { limits } from '../../hub/limits.ts'

test('a change names what it changes, and nothing else is in it', () => {
  const changes: unknown[] = [
    {},
    { name: 'Boiler in the cellar, Zürich' },
    { name: null, type: null, tags: null },
    { type: 'boiler:2.x@acme-1_b' },
    { tags: { site: 'north', 'a.b-c_d': '', gone: null } },
    { tags: JSON.parse('{"__proto__":"x"}') },
    { name: 'x'.repeat(limits.deviceNameBytes), type: 'x'.repeat(limits.deviceTypeBytes) },
    { tags: { ['x'.repeat(limits.tagNameBytes)]: 'x'.repeat(limits.tagValueBytes) } },
  ]
  for (const change of changes) assert.deepEqual(readDeviceChange(change, limits), change)
})

test('what a device cannot be called is refused with a clause that says what it can', () => {
  const cases: [change: unknown, says: RegExp][] = [
    [null, /^a change is a JSON object of name, type, tags, gateway and metadata$/],
    [{ gateway: 'a b' }, /^gateway is the id of a device, or null$/],
    [[], /JSON object/],
    [{ id: 'x' }, /name, type, tags, gateway and metadata can be changed, and nothing called "id"/],
    [{ name: '' }, /^name is text of 1 to 256 bytes/],
    [{ name: 7 }, /^name/],
    [{ name: 'ü'.repeat(limits.deviceNameBytes / 2 + 1) }, /^name/],
    [{ name: 'a\nb' }, /^name.*control characters/],
    [{ name: 'a\ud800' }, /^name/],
    [{ type: '' }, /^type is 1 to 64 letters/],
    [{ type: 'two words' }, /^type/],
    [{ type: 'x'.repeat(limits.deviceTypeBytes + 1) }, /^type/],
    [{ type: ['x'] }, /^type/],
    [{ tags: [] }, /^tags is an object of texts$/],
    [{ tags: { '': 'x' } }, /^a tag is called by 1 to 64 letters, digits or _ \. -, not ""$/],
    [{ tags: { 'a:b': 'x' } }, /not "a:b"$/],
    [{ tags: { ['x'.repeat(limits.tagNameBytes + 1)]: 'x' } }, /^a tag is called/],
    [{ tags: { site: 1 } }, /^the tag site is text of at most 256 bytes/],
    [{ tags: { site: 'x\u0000' } }, /^the tag site/],
    [{ tags: { site: 'x'.repeat(limits.tagValueBytes + 1) } }, /^the tag site/],
  ]
  for (const [change, says] of cases) {
    const clause = readDeviceChange(change, limits)
    assert.ok(typeof clause === 'string', JSON.stringify(change))
    assert.match(clause, says)
  }
})

// RFC 7396 section 2.
test('tags are changed as a merge patch changes them', () => {
  const tags = { site: 'north', floor: '2' }
  assert.deepEqual(changedTags(tags, undefined), tags)
  assert.deepEqual(changedTags(tags, {}), tags)
  assert.deepEqual(changedTags(tags, { floor: null, site: 'south', gone: null, more: 'x' }), { site: 'south', more: 'x' })
  assert.deepEqual(changedTags(tags, null), {})
  assert.deepEqual(tags, { site: 'north', floor: '2' })
})
