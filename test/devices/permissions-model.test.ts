// Permissions compared with a model that takes every rule word by word and every topic of a small world one by one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Action, Rule, Subject } from '../../devices/identity.ts'
import { Permissions } from '../../devices/permissions.ts'
import { matches } from '../routing/naive.ts'

type Part = { readonly text: string } | { readonly variable: keyof typeof written }
/** A level as a list of parts, or a wildcard. */
type Level = '+' | readonly Part[]
interface Modelled {
  readonly effect: Rule['effect']
  readonly actions: Action[]
  readonly levels: readonly Level[]
  readonly isOpen: boolean
}

const written = { device: '%d', client: '%c', user: '%u', tag: '%t(k)' }
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.constantFrom('a', 'b', '$a', '%').map((text) => ({ text })),
  fc.constantFrom('device', 'client', 'user', 'tag').map((variable) => ({ variable }) as const),
)
const level: fc.Arbitrary<Level> = fc.oneof(fc.constant('+' as const), fc.array(part, { maxLength: 2 }))
const modelled: fc.Arbitrary<Modelled> = fc
  .record({
    effect: fc.constantFrom('allow', 'allow', 'deny'),
    actions: fc.uniqueArray(fc.constantFrom('publish', 'subscribe'), { minLength: 1 }),
    levels: fc.array(level, { maxLength: 3 }),
    isOpen: fc.boolean(),
  })
  .filter((rule) => filterOf(rule) !== '')
const manyRules = fc.array(modelled, { maxLength: 5 })

const tame = fc.constantFrom('a', 'b', 'ab', '%')
const hostile = fc.constantFrom('', '+', '#', '/', 'a/b', 'a/#', '\0', 'a\0', '+a')
const value = fc.oneof(tame, hostile, fc.constant('$a'))
const perhaps = fc.option(value, { nil: undefined })
type Values = Readonly<Record<keyof typeof written, string | undefined>>
const values: fc.Arbitrary<Values> = fc.record({ device: perhaps, client: value, user: perhaps, tag: perhaps })

/** What may come in from outside as a topic, and what no rule or filter here names. */
const words = ['', 'a', 'b', 'aa', '$a', '+', '#', 'a+', 'new']
const topics = words.flatMap((one) => [
  one,
  ...words.flatMap((two) => [`${one}/${two}`, ...words.map((three) => `${one}/${two}/${three}`)]),
])
/** The empty one counts here, though nobody can publish to it: so `/#` is held to match its parent like any other filter. */
const names = topics.filter((topic) => !/[+#]/.test(topic))
const deepNames = names.flatMap((name) => [name, `${name}/new`, `${name}/new/new`, `${name}/new/new/new`])
const filter = fc
  .tuple(fc.array(fc.constantFrom('', 'a', 'b', '$a', '+', '+'), { maxLength: 3 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
  .filter((text) => text !== '')

function filterOf({ levels, isOpen }: Modelled): string {
  const texts = levels.map((one) =>
    one === '+' ? one : one.map((part) => ('text' in part ? part.text.replace('%', '%%') : written[part.variable])).join(''),
  )
  return [...texts, ...(isOpen ? ['#'] : [])].join('/')
}

function ruleOf(rule: Modelled): Rule {
  return { effect: rule.effect, actions: rule.actions, filter: filterOf(rule) }
}

function subjectOf({ device, client, user, tag }: Values): Subject {
  return { device, clientId: client ?? '', user, tags: tag === undefined ? {} : { k: tag } }
}

function permissionsOf(rules: readonly Modelled[], of: Values): Permissions {
  return new Permissions(rules.map(ruleOf), subjectOf(of))
}

/** By section 4.7 once every variable is replaced by its value, or by whatever stands in this topic where it has none. */
function ruleMatches({ effect, levels, isOpen }: Modelled, of: Values, topic: string): boolean {
  const topicWords = topic.split('/')
  const plain: string[] = []
  for (const [at, one] of levels.entries()) {
    if (one === '+') {
      plain.push(one)
      continue
    }
    const texts = one.map((part, place) => {
      if ('text' in part) return part.text
      const text = of[part.variable]
      return text === undefined || text === '' || /[/+#\0]/.test(text) || (at + place === 0 && text[0] === '$') ? undefined : text
    })
    if (!texts.includes(undefined)) {
      plain.push(texts.join(''))
      continue
    }
    if (effect === 'allow') return false
    const word = topicWords[at]
    const before = texts.slice(0, texts.indexOf(undefined)).join('')
    const after = texts.slice(texts.lastIndexOf(undefined) + 1).join('')
    if (word === undefined) return false
    if (word.length < before.length + after.length || !word.startsWith(before) || !word.endsWith(after)) return false
    plain.push('any')
    topicWords[at] = 'any'
  }
  return matches([...plain, ...(isOpen ? ['#'] : [])].join('/'), topicWords.join('/'))
}

function isAllowed(rules: readonly Modelled[], of: Values, action: Action, topic: string): boolean {
  const matching = rules.filter((rule) => rule.actions.includes(action) && ruleMatches(rule, of, topic))
  return matching.some(({ effect }) => effect === 'allow') && !matching.some(({ effect }) => effect === 'deny')
}

test('what is allowed on a topic is what the rules say one by one, and the explanation says the same', () => {
  fc.assert(
    fc.property(manyRules, values, fc.constantFrom<Action>('publish', 'subscribe'), (rules, of, action) => {
      const permissions = permissionsOf(rules, of)
      for (const topic of topics) {
        const expected = isAllowed(rules, of, action, topic)
        assert.equal(permissions.may(action, topic), expected, `${action} on ${topic}`)
        if (names.includes(topic) || action === 'publish') assert.equal(permissions.explain(action, topic).allowed, expected, topic)
      }
    }),
    { numRuns: 100 },
  )
})

test('a filter is allowed exactly when one allow rule matches all that it matches, and no deny rule does', () => {
  fc.assert(
    fc.property(manyRules, values, fc.array(filter, { minLength: 1, maxLength: 6 }), (rules, of, filters) => {
      const permissions = permissionsOf(rules, of)
      const asked = rules.filter(({ actions }) => actions.includes('subscribe'))
      for (const one of filters) {
        const matched = deepNames.filter((name) => matches(one, name))
        const covers = (rule: Modelled) => matched.every((name) => ruleMatches(rule, of, name))
        const covering = asked.filter(covers).map(({ effect }) => effect)
        const expected = covering.includes('allow') && !covering.includes('deny')
        assert.equal(permissions.maySubscribe(one), expected, one)
        assert.equal(permissions.explain('subscribe', one).allowed, expected, one)
      }
    }),
    { numRuns: 250 },
  )
})

test('who chooses a hostile identifier is never allowed more than who chooses a harmless one', () => {
  const filters = ['#', '+', '+/#', '$a/#', 'a/#', 'a/+', '+/a', '/', '$a', '$a/+']
  const places = fc.constantFrom('device', 'client', 'user', 'tag')
  fc.assert(
    fc.property(manyRules, values, places, fc.oneof(hostile, fc.constant(undefined)), (rules, of, place, text) => {
      const bad = permissionsOf(rules, { ...of, [place]: text })
      const good = permissionsOf(rules, { ...of, [place]: 'harmless' })
      for (const topic of topics) {
        if (bad.may('publish', topic)) assert.ok(good.may('publish', topic), topic)
        if (bad.may('subscribe', topic)) assert.ok(good.may('subscribe', topic), topic)
      }
      for (const one of filters) if (bad.maySubscribe(one)) assert.ok(good.maySubscribe(one), one)
    }),
    { numRuns: 200 },
  )
})

test('an answer is the same however often and after whatever else it is asked, and whoever shares the rules', () => {
  // Some that rules here speak of, one that is too long to be remembered, and more than are remembered.
  const few = ['a', 'b', 'ab', '$a', 'a/b', 'b/a', 'a/a/b', `a/${'x'.repeat(3_000)}`]
  const fillers = Array.from({ length: 20 }, (_, at) => `b/${at}`)
  const questions = fc.array(
    fc.tuple(fc.constantFrom<Action>('publish', 'subscribe'), fc.oneof(fc.constantFrom(...few), fc.constantFrom(...fillers)), fc.boolean()),
    { maxLength: 100, size: 'max' },
  )
  fc.assert(
    fc.property(manyRules, values, values, questions, (modelledRules, one, other, asked) => {
      const rules = modelledRules.map(ruleOf)
      const both = [new Permissions(rules, subjectOf(one)), new Permissions(rules, subjectOf(other))]
      for (const [action, topic, isOther] of asked) {
        const answer = both[Number(isOther)]?.may(action, topic)
        assert.equal(answer, new Permissions([...rules], subjectOf(isOther ? other : one)).may(action, topic), topic)
      }
    }),
    { numRuns: 300 },
  )
})
