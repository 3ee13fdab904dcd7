// What is read as a whole, where no delivery asks again: allowed only if no deny rule cuts anything out of it. By the same naive model.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rule } from '../../devices/identity.ts'
import { Permissions, unbounded } from '../../devices/permissions.ts'
import { randomFrom } from '../kit/random.ts'
import { allow, deny } from './kit.ts'
import { mayReadAll, maySubscribe, pick, randomRules } from './model.ts'

const seed = Number(process.env['MOORING_SECURITY_SEED'] ?? Date.now() % 1_000_000)
const subject = { device: 'd1', clientId: 'd1', user: undefined, tags: {} }
const asked = [
  '#',
  '+/#',
  '+',
  'a',
  'a/#',
  'a/+',
  'a/x',
  '+/x',
  'a/x/#',
  '$SYS/#',
  '$SYS/a',
  '$SYS/+',
  'devices/+/#',
  'devices/d1/#',
  'devices/d1/state',
]
const denials = [
  '#',
  '+',
  '+/+',
  'a',
  'a/#',
  'a/x',
  '+/x',
  '+/x/#',
  '$SYS/#',
  '$SYS/a',
  '$SYS/+/#',
  'devices/d2/#',
  'devices/+/state',
  'devices/%d/#',
  'c/%u',
  '%u/x',
]

test(`a whole is allowed as the naive model says (MOORING_SECURITY_SEED=${seed})`, () => {
  const random = randomFrom(seed)
  let allowed = 0
  for (let round = 0; round < 600; round++) {
    const rules: Rule[] = [...randomRules(random), allow(['subscribe'], pick(random, ['#', '$SYS/#', 'a/#']))]
    for (let count = random(3); count > 0; count--) rules.push(deny(['subscribe'], pick(random, denials)))
    const filter = pick(random, asked)
    const permissions = new Permissions(rules, subject)
    assert.equal(permissions.maySubscribe(filter), maySubscribe(rules, subject, filter), `${filter} ${JSON.stringify(rules)}`)
    const expected = mayReadAll(rules, subject, filter)
    assert.equal(permissions.mayReadAll(filter), expected, `all of ${filter} ${JSON.stringify(rules)}`)
    if (expected) allowed++
  }
  assert.ok(allowed > 50, `${allowed}`)
  assert.equal(unbounded.mayReadAll('#'), true)
})
