// The books of device types and of groups: what is kept of them, how many there may be, and what cannot be read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeviceTypes } from '../../hub/access/device-types.ts'
import { Groups } from '../../hub/access/groups.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { admin, MemoryAccessStore, newTime } from './kit.ts'

const rates = { messagesPerSecond: 1000, bytesPerSecond: undefined, savedMs: 60_000 }
const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

test('a type holds for its devices from the write on, after a restart as well; what cannot be read is as no type', async (t) => {
  const { clock } = newTime(t)
  const store = new MemoryAccessStore()
  const changed: string[] = []
  const bookOn = (on: MemoryAccessStore) =>
    new DeviceTypes({
      ...{ store: on, clock, rates, connectionsPerMinute: 60 },
      typeOf: (device) => (device === 'pump-1' ? 'pump' : null),
      findRole: (name) => (name === 'pumps' ? { name, rules: [], isBuiltIn: false } : undefined),
      onChanged: (name) => changed.push(name),
    })
  const types = bookOn(store)
  assert.deepEqual([types.roleOf('pump-1'), types.ratesOf('device/pump-1'), types.subscriptionsOf('pump-1')], ['device', rates, 1000])
  store.failing = true
  await assert.rejects(types.put('pump', { role: 'pumps' }, admin))
  assert.deepEqual([types.roleOf('pump-1'), changed], ['device', []])
  store.failing = false
  await types.put('pump', { role: 'pumps', limits: { bytesPerSecond: 10, burstSeconds: 1 }, metrics: { t: { type: 'number' } } }, admin)
  assert.deepEqual(changed, ['pump'])
  await assert.rejects(types.put('pump', { role: 'ghosts' }, admin), refused('role-unknown'))

  for (const book of [types, bookOn(store.restarted())]) {
    assert.equal(book.roleOf('pump-1'), 'pumps')
    assert.deepEqual(book.ratesOf('device/pump-1'), { messagesPerSecond: 1000, bytesPerSecond: 10, savedMs: 1000 })
    assert.deepEqual(book.ratesOf('key/pump-1'), rates)
    assert.match(book.whyNot('pump-1', 't', 'x') ?? '', /a number, not a string/)
    assert.equal(book.whyNot('valve-1', 't', 'x'), undefined)
  }
  const [record] = store.records('type')
  for (const body of ['{', '[]', '{"keep":"x"}', '{"limits":{"subscriptions":-1}}']) {
    const book = bookOn(new MemoryAccessStore([{ ...record!, body }]))
    assert.deepEqual([book.unreadable, book.roleOf('pump-1'), book.all()], [['pump'], 'device', []])
  }
  await types.remove('pump', admin)
  assert.deepEqual([types.roleOf('pump-1'), store.records('type')], ['device', []])
  await assert.rejects(types.remove('pump', admin), refused('type-unknown'))
  await assert.rejects(types.put('pump', { others: 'refuse' }, admin), refused('type-invalid'))
})

test('there are as many types and groups as may be, and one more is refused', async (t) => {
  const { clock } = newTime(t)
  const fill = (kind: string, most: number, body: object) =>
    new MemoryAccessStore(Array.from({ length: most }, (_, at) => ({ kind, id: `n${at}`, body: JSON.stringify(body) })))
  const types = new DeviceTypes({
    ...{ store: fill('type', limits.deviceTypes, {}), clock, rates, connectionsPerMinute: 60 },
    typeOf: () => null,
    findRole: () => undefined,
    onChanged() {},
  })
  await assert.rejects(types.put('more', {}, admin), refused('too-many-types'))
  await types.put('n0', { description: 'another one of it' }, admin)
  const groups = new Groups(fill('group', limits.groups, { query: 'a' }), clock)
  await assert.rejects(groups.put('more', { query: 'a' }, admin), refused('too-many-groups'))
  await groups.remove('n0', admin)
  await groups.put('more', { query: 'a=1' }, admin)
  assert.deepEqual(groups.conditionsOf('more'), [{ tag: 'a', value: '1', isSo: true }])
  assert.throws(() => groups.conditionsOf('n0'), refused('group-unknown'))
  assert.deepEqual(new Groups(new MemoryAccessStore([{ kind: 'group', id: 'g', body: '{"query":"a>1"}' }]), clock).unreadable, ['g'])
})
