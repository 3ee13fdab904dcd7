// Roles: what is built in, what admins make of it, and that nothing unreadable opens anything.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtInRoles, Roles } from '../../hub/access/roles.ts'
import { Refusal } from '../../hub/errors.ts'
import { HandClock } from '../kit/clock.ts'
import { admin, MemoryAccessStore, readRules, startMs } from './kit.ts'

const rules = [{ effect: 'allow', actions: ['publish'], filter: 'lines/%t(line)/#' }]

function open(store = new MemoryAccessStore(), rolesMax = 3) {
  const changed: string[] = []
  const roles = new Roles({
    store,
    clock: new HandClock(startMs),
    readRules,
    onChanged: (name) => changed.push(name),
    limits: { roles: rolesMax },
  })
  return { roles, store, changed }
}

function refused(code: string, detail = /./) {
  return (error: unknown) => error instanceof Refusal && error.code === code && detail.test(error.message)
}

test('four are built in, and none of them can be changed or removed', async () => {
  const { roles, store } = open()
  assert.deepEqual(
    roles.all().map(({ name }) => name),
    ['device', 'viewer', 'operator', 'admin'],
  )
  assert.deepEqual(roles.rulesOf('device'), [{ effect: 'allow', actions: ['publish', 'subscribe', 'retain'], filter: 'devices/%d/#' }])
  const allowed = (name: string, action: string) =>
    roles
      .rulesOf(name)
      .filter(({ actions }) => (actions as readonly string[]).includes(action))
      .map(({ filter }) => filter)
  assert.deepEqual(allowed('viewer', 'subscribe'), ['#', '$SYS/#'])
  for (const action of ['publish', 'retain', 'command', 'admin']) assert.deepEqual(allowed('viewer', action), [])
  for (const action of ['publish', 'retain', 'command']) assert.deepEqual(allowed('operator', action), ['#'])
  assert.deepEqual(allowed('operator', 'admin'), [])
  assert.deepEqual(allowed('admin', 'admin'), ['#'])
  for (const { name } of builtInRoles) {
    await assert.rejects(roles.put(name, rules, admin), refused('role-invalid', /built in/))
    await assert.rejects(roles.remove(name, admin), refused('role-invalid', /built in/))
  }
  assert.deepEqual(store.writes, [])
})

test('one that an admin makes is there after a restart; who depends on it is told of each change', async () => {
  const { roles, store, changed } = open()
  await roles.put('line', rules, admin)
  assert.deepEqual(open(store.restarted()).roles.rulesOf('line'), rules)
  await roles.put('line', [], admin)
  assert.deepEqual(roles.rulesOf('line'), [])
  await roles.remove('line', admin)
  assert.equal(roles.find('line'), undefined)
  assert.deepEqual(changed, ['line', 'line', 'line'])
  assert.deepEqual(store.records(), [])
  assert.deepEqual(
    store.audits.map(({ action, target, who }) => `${who} ${action} ${target}`),
    ['ada role.put role/line', 'ada role.put role/line', 'ada role.remove role/line'],
  )
  await assert.rejects(roles.remove('line', admin), refused('role-unknown'))
})

test('one that is not there, or cannot be read, allows nothing', () => {
  const bodies = ['{', 'null', '[{"effect":"allow"}]', '"all"']
  const records = bodies.map((body, at) => ({ kind: 'role', id: `r${at}`, body }))
  const { roles } = open(new MemoryAccessStore([...records, { kind: 'role', id: 'device', body: JSON.stringify(rules) }]))
  assert.deepEqual(roles.unreadable, ['r0', 'r1', 'r2', 'r3', 'device'])
  for (const name of ['r0', 'r1', 'r2', 'r3', 'nobody', '', '__proto__']) assert.deepEqual(roles.rulesOf(name), [])
  assert.deepEqual(roles.rulesOf('device'), builtInRoles[0]?.rules)
})

test('names and rules are checked, and their number is bounded, also when they are made at once', async () => {
  const { roles, store } = open()
  for (const name of ['', 'a b', 'a/b', 'x'.repeat(65), 'ä'])
    await assert.rejects(roles.put(name, rules, admin), refused('role-invalid', /name/))
  await assert.rejects(roles.put('line', [{ effect: 'perhaps' }], admin), refused('role-invalid', /effect/))
  assert.deepEqual(store.writes, [])
  const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => roles.put(name, rules, admin)))
  assert.deepEqual(
    outcomes.map(({ status }) => status === 'fulfilled'),
    [true, true, true, false, false],
  )
  await assert.rejects(roles.put('d', rules, admin), refused('too-many-roles'))
  await roles.put('a', [], admin)
})

test('one that the disk does not take changes nothing', async () => {
  const { roles, store, changed } = open()
  await roles.put('line', rules, admin)
  store.failing = true
  await assert.rejects(roles.put('line', [], admin), /disk is gone/)
  await assert.rejects(roles.put('other', [], admin), /disk is gone/)
  assert.deepEqual(roles.rulesOf('line'), rules)
  assert.equal(roles.find('other'), undefined)
  assert.deepEqual(changed, ['line'])
})
