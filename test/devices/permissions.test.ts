// What rules come to for somebody, in examples. permissions-model.test.ts has what holds for all of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Action, actions, type Rule, type Subject } from '../../devices/identity.ts'
import { Permissions, readRules, unbounded } from '../../devices/permissions.ts'
import { Answers } from '../../devices/rule-tree.ts'

const limits = { rulesPerRole: 3, ruleFilterBytes: 40 }
const pump: Subject = { device: 'pump-1', clientId: 'pump-1:console', user: 'mara', tags: { site: 'north', 'a.b_c-d': 'x' } }

function allow(filter: string, ...of: Action[]): Rule {
  return { effect: 'allow', actions: of.length === 0 ? ['publish', 'subscribe'] : of, filter }
}

function deny(filter: string, ...of: Action[]): Rule {
  return { ...allow(filter, ...of), effect: 'deny' }
}

test('without a rule nothing is allowed, deny beats allow in any order, and an action is allowed by its own rules', () => {
  assert.ok(!new Permissions([], pump).may('publish', 'a'))
  const rules = [deny('plant/secret/#'), allow('plant/#'), allow('plant/secret/door', 'command')]
  for (const order of [rules, [...rules].reverse()]) {
    const permissions = new Permissions(order, pump)
    assert.ok(permissions.may('publish', 'plant/door'))
    assert.ok(permissions.may('publish', 'plant'))
    assert.ok(!permissions.may('publish', 'plant/secret'))
    assert.ok(!permissions.may('subscribe', 'plant/secret/door'))
    assert.ok(permissions.may('command', 'plant/secret/door'))
    assert.ok(!permissions.may('retain', 'plant/door'))
    assert.ok(!permissions.isUnbounded)
  }
})

test('variables stand for device, client, user and tags, as a level or a part of one', () => {
  const cases: [filter: string, topic: string][] = [
    ['devices/%d/#', 'devices/pump-1/telemetry/t'],
    ['clients/%c', 'clients/pump-1:console'],
    ['%u/inbox', 'mara/inbox'],
    ['sites/%t(site)/+', 'sites/north/x'],
    ['%t(site)-%d/%t(a.b_c-d)x', 'north-pump-1/xx'],
    ['load/100%%/%%d', 'load/100%/%d'],
  ]
  for (const [filter, topic] of cases) {
    const permissions = new Permissions([allow(filter)], pump)
    assert.ok(permissions.may('publish', topic), filter)
    assert.ok(permissions.maySubscribe(topic), filter)
    assert.ok(!permissions.may('publish', `y${topic}`), filter)
    assert.ok(!new Permissions([allow(filter), deny(filter)], pump).may('publish', topic), filter)
  }
  assert.ok(!new Permissions([allow('devices/%d/#')], pump).may('publish', 'devices/pump-2/telemetry'))
})

// CVE-2017-7650 was a client called #.
test('an identifier never becomes a wildcard, a level more or a reserved topic', () => {
  const topics = ['', '#', '+', '$SYS', '$SYS/load', 'a', 'a/b', 'pump-1', '+/b', '\0'].flatMap((topic) => [topic, `x/${topic}`])
  for (const clientId of ['', '#', '+', '/', 'a/b', 'a/#', '+/b', '$SYS', 'a\0', '\0']) {
    const permissions = new Permissions([allow('%c'), allow('%c/#')], { ...pump, clientId })
    for (const topic of topics) assert.ok(!permissions.may('subscribe', topic), `${clientId} on ${topic}`)
    for (const filter of [...topics, '#', '+/#', '$SYS/#']) assert.ok(!permissions.maySubscribe(filter), `${clientId} on ${filter}`)
  }
  // Behind the first level a $ is a letter like any other.
  assert.ok(new Permissions([allow('x/%c')], { ...pump, clientId: '$a' }).may('publish', 'x/$a'))
  for (const tag of ['gone', '__proto__', 'constructor']) {
    assert.ok(!new Permissions([allow(`x/%t(${tag})`)], pump).may('publish', 'x/undefined'), tag)
    assert.ok(new Permissions([allow('#'), deny(`x/%t(${tag})`)], pump).explain('publish', 'x/y').rule?.missing.includes(`%t(${tag})`))
  }
})

test('a deny rule without a value for its variable denies whatever stands there', () => {
  const permissions = new Permissions([allow('#'), allow('$SYS/#'), deny('%u/door'), deny('lamps/l-%d-x/on')], {
    ...pump,
    user: undefined,
    device: undefined,
  })
  for (const topic of ['mara/door', '/door', '$SYS/door', 'lamps/l-1-x/on', 'lamps/l--x/on']) {
    assert.ok(!permissions.may('publish', topic), topic)
    assert.ok(!permissions.maySubscribe(topic), topic)
  }
  for (const topic of ['mara/door/x', 'a/b/door', '$SYS/load', 'lamps/l-x/on', 'lamps/m-1-x/on', 'lamps/l-1-y/on']) {
    assert.ok(permissions.may('publish', topic), topic)
    assert.ok(permissions.maySubscribe(topic), topic)
  }
})

// MQTT 5 sections 4.7.1.2 and 4.7.2.
test('a filter is allowed when one allow rule covers all it can match, and a deny rule refuses only what it covers whole', () => {
  const cases: [rule: string, covered: string[], not: string[]][] = [
    ['#', ['#', '+', '+/#', 'a/b', '/', 'a/+/#'], ['$SYS/#', '$SYS', '$SYS/+']],
    ['+/#', ['#', '+', 'a', 'a/#'], ['$SYS/#']],
    ['$SYS/#', ['$SYS', '$SYS/#', '$SYS/+/x'], ['#', '+/x', '$OTHER']],
    ['a/#', ['a', 'a/#', 'a/', 'a/+/b'], ['#', '+', '+/a', 'ab', '+/#']],
    ['a/+', ['a/+', 'a/b', 'a/'], ['a', 'a/#', 'a/b/c', 'a/+/#']],
    ['a/+/#', ['a/+', 'a/+/#', 'a/b/#'], ['a/#', 'a']],
    ['+', ['+', 'a'], ['#', '/', '$a', 'a/b']],
    ['+/x', ['+/x', 'a/x', '/x'], ['$a/x', '#']],
    ['a//b', ['a//b'], ['a/+/b', 'a/b']],
  ]
  for (const [rule, covered, not] of cases) {
    const allowed = new Permissions([allow(rule)], pump)
    const refused = new Permissions([allow('#'), allow('$SYS/#'), allow('$OTHER/#'), allow('$a/#'), deny(rule)], pump)
    for (const filter of covered)
      assert.deepEqual(
        [allowed, refused].map((one) => one.maySubscribe(filter)),
        [true, false],
        `${rule}: ${filter}`,
      )
    for (const filter of not)
      assert.deepEqual(
        [allowed, refused].map((one) => one.maySubscribe(filter)),
        [false, true],
        `${rule}: ${filter}`,
      )
  }
  assert.ok(!new Permissions([allow('a/+'), allow('a'), allow('a/+/#')], pump).maySubscribe('a/#'), 'two rules together are not one')
})

test('nothing is refused to the unbounded, and no rules come to that', () => {
  assert.ok(unbounded.isUnbounded)
  for (const action of actions) assert.ok(unbounded.may(action, '$SYS/x'))
  assert.ok(unbounded.maySubscribe('$SYS/#'))
  const { allowed, rule, sentence } = unbounded.explain('admin', 'a')
  assert.deepEqual([allowed, rule, sentence], [true, null, 'allowed: nothing is refused here, no rule is asked'])
  assert.ok(!new Permissions([{ effect: 'allow', actions, filter: '#' }], pump).isUnbounded)
})

test('an explanation names the rule that decided, as it is written and as it reads here', () => {
  const rules = [allow('devices/%d/#'), allow('news/+', 'subscribe'), deny('devices/%d/keys/#', 'publish'), allow('t/%t(gone)', 'publish')]
  const permissions = new Permissions([...rules, deny('w/%t(gone)/%u', 'publish')], pump)
  const sentences: [action: Action, topic: string, sentence: string, number: number | undefined][] = [
    ['publish', 'devices/pump-1/a', 'allowed by rule 1: publish on devices/%d/# (here devices/pump-1/#)', 1],
    ['subscribe', 'news/+', 'allowed by rule 2: subscribe on news/+', 2],
    ['publish', 'devices/pump-1/keys', 'denied by rule 3: publish on devices/%d/keys/# (here devices/pump-1/keys/#)', 3],
    ['subscribe', 'news/#', 'no rule allows subscribe on all of news/#', undefined],
    ['retain', 'news/x', 'no rule allows retain on news/x', undefined],
    [
      'publish',
      't/x',
      'no rule allows publish on t/x; rule 4 matches nothing, because there is no value for %t(gone) that may stand in a topic',
      undefined,
    ],
    [
      'publish',
      'w/x/mara',
      'denied by rule 5: publish on w/%t(gone)/%u (no value for %t(gone) that may stand in a topic: whatever stands there)',
      5,
    ],
  ]
  for (const [action, topic, sentence, number] of sentences) {
    const explanation = permissions.explain(action, topic)
    assert.equal(explanation.sentence, sentence)
    assert.equal(explanation.rule?.number, number)
    assert.equal(explanation.allowed, sentence.startsWith('allowed'))
  }
  const { asked, rule } = permissions.explain('publish', 'w/x/mara')
  assert.deepEqual(
    asked.map(({ number }) => number),
    [1, 3, 4, 5],
  )
  assert.equal(rule?.filter, 'w/%t(gone)/mara')
  assert.deepEqual(rule.missing, ['%t(gone)'])
})

test('rules are read as they are written', () => {
  const all: unknown[] = [
    [],
    [allow('devices/%d/#')],
    [deny('#', ...actions), allow('%t(site)%%/+', 'admin'), allow('x'.repeat(limits.ruleFilterBytes))],
    [allow('$SYS/#'), allow('/'), allow('ü/%c%u')],
  ]
  for (const rules of all) assert.deepEqual(readRules(rules, limits), rules)
})

test('what is no rule is refused with a clause that says what is', () => {
  const filter = (text: unknown) => [{ effect: 'allow', actions: ['publish'], filter: text }]
  const cases: [rules: unknown, says: RegExp][] = [
    [null, /^rules is a list of at most 3 rules$/],
    [{}, /^rules is a list/],
    [Array(4).fill(allow('a')), /^rules is a list of at most 3/],
    [[allow('a'), 'x'], /^rule 2: a rule is a JSON object of effect, actions and filter$/],
    [[[]], /^rule 1: a rule is a JSON object/],
    [[{ ...allow('a'), topic: 'a' }], /^rule 1: a rule has effect, actions and filter, and nothing called "topic"$/],
    [[{ actions: ['publish'], filter: 'a' }], /^rule 1: effect is allow or deny$/],
    [[{ ...allow('a'), effect: 'Deny' }], /^rule 1: effect is allow or deny$/],
    [
      [{ effect: 'allow', filter: 'a' }],
      /^rule 1: actions is a list of one or more of publish, subscribe, retain, command, admin, each once$/,
    ],
    [[{ ...allow('a'), actions: [] }], /actions is a list/],
    [[{ ...allow('a'), actions: 'publish' }], /actions is a list/],
    [[{ ...allow('a'), actions: ['publish', 'read'] }], /actions is a list/],
    [[{ ...allow('a'), actions: ['publish', 'publish'] }], /each once$/],
    [filter(undefined), /^rule 1: filter is a topic filter of 1 to 40 bytes without control characters$/],
    [filter(''), /filter is a topic filter of 1 to 40 bytes/],
    [filter('x'.repeat(41)), /of 1 to 40 bytes/],
    [filter('ü'.repeat(21)), /of 1 to 40 bytes/],
    [filter('a\0'), /control characters/],
    [filter('a\ud800'), /control characters/],
    [filter('a#'), /^rule 1: the filter "a#" cannot be used: # is not alone in its level$/],
    [filter('#/a'), /# is not at its end$/],
    [filter('%d#'), /# is not alone in its level$/],
    [filter('a/%d+'), /\+ is not alone in its level$/],
    [filter('$share/g/a'), /leave \$share and the share name out/],
    [filter('%x/a'), /%x stands for nothing; there are %d, %c, %u, %t\(name of a tag\), and %% for a percent sign$/],
    [filter('a/%'), /: % stands for nothing/],
    [filter('%/a'), /: % stands for nothing/],
    [filter('%t/a'), /%t stands for nothing/],
    [filter('%t()'), /%t\(\) stands for nothing/],
    [filter('%t(a b)'), /%t\(a b\) stands for nothing/],
    [filter('%t(a/b)'), /%t stands for nothing|%t\(a stands for nothing/],
    [filter('%%%'), /: % stands for nothing/],
  ]
  for (const [rules, says] of cases) {
    const clause = readRules(rules, limits)
    assert.ok(typeof clause === 'string', JSON.stringify(rules))
    assert.match(clause, says)
  }
  assert.throws(() => new Permissions([allow('a#')], pump), /The filter a# of a rule cannot be used/)
})

test('what was answered is kept up to a number of topics and of characters, and then forgotten whole', () => {
  const answers = new Answers(3, 10)
  for (const [at, topic] of ['a', 'b', 'c'].entries()) answers.remember(topic, at)
  assert.deepEqual(
    ['a', 'b', 'c'].map((topic) => answers.get(topic)),
    [0, 1, 2],
  )
  answers.remember('d', 3)
  assert.deepEqual(
    ['a', 'd'].map((topic) => answers.get(topic)),
    [undefined, 3],
  )
  answers.remember('123456789', 4)
  assert.deepEqual(
    ['d', '123456789'].map((topic) => answers.get(topic)),
    [3, 4],
  )
  answers.remember('e', 5)
  assert.deepEqual(
    ['123456789', 'e'].map((topic) => answers.get(topic)),
    [undefined, 5],
  )
  answers.remember('12345678901', 6)
  assert.equal(answers.get('12345678901'), undefined)
})

test('a gateway may do what its children may, all of them at once for a filter alone, and nothing more', () => {
  const child = (device: string, ...rules: Rule[]) => new Permissions(rules, { device, clientId: device, user: undefined, tags: {} })
  const all = allow('devices/%d/#', 'publish', 'subscribe', 'command', 'admin')
  const children = new Map([
    ['a', child('a', all)],
    ['b', child('b', all, deny('devices/%d/telemetry/secret', 'subscribe'))],
  ])
  let unheard = 'new'
  const permissions = new Permissions(
    [all, deny('devices/+/state/#', 'publish')],
    { ...pump, device: 'gw' },
    {
      count: 2,
      isNew: (device) => device === unheard,
      of: (device) => children.get(device) ?? (device === unheard ? child(device, all) : undefined),
      whyNot: () => 'stranger',
    },
  )
  const may = (topic: string) => actions.filter((action) => permissions.may(action, topic))
  assert.deepEqual(may('devices/gw/x'), ['publish', 'subscribe', 'command', 'admin'])
  assert.deepEqual([may('devices/a/x'), may('devices/a/state/x')], [['publish', 'subscribe'], ['subscribe']])
  for (const topic of ['devices/c/x', 'devices/a', 'devices//x', 'devices/a b/x', 'other/a/x', '$devices/a/x'])
    assert.deepEqual(may(topic), [], topic)

  for (const filter of ['devices/a/#', 'devices/+/commands/+', 'devices/+/#']) assert.ok(permissions.maySubscribe(filter), filter)
  for (const filter of ['devices/c/#', 'devices/#', 'devices/+', '+/a/#', '#', 'other/+/x'])
    assert.ok(!permissions.maySubscribe(filter), filter)
  assert.deepEqual(
    ['devices/a/#', 'devices/gw/#', 'devices/+/#'].map((filter) => permissions.mayItself(filter)),
    [false, true, false],
  )
  const stored = ['devices/gw/#', 'devices/a/telemetry/#', 'devices/b/telemetry/#', 'devices/+/telemetry/#', 'devices/c/telemetry/#']
  assert.deepEqual(
    stored.filter((filter) => permissions.mayReadAll(filter)),
    stored.slice(0, 2),
    'where nothing asks again, it is whole or not at all',
  )
  assert.deepEqual(permissions.whyNotFor('devices/c/x'), { device: 'c', why: 'stranger' })
  for (const topic of ['devices/a/x', 'devices/gw/x', 'other/c/x']) assert.equal(permissions.whyNotFor(topic), undefined, topic)

  assert.deepEqual([may('devices/new/x'), permissions.gatewayOfNew('new')], [['publish', 'subscribe'], 'gw'])
  unheard = 'another'
  assert.deepEqual([may('devices/new/x'), permissions.gatewayOfNew('new')], [[], undefined], 'what was said of it held for that moment')
})
