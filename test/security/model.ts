// What may be had, as naively as it can be said: every rule against every topic. Nothing of the hub's own code has a part in it.
import type { Rule } from '../../devices/identity.ts'
import type { Random } from '../kit/random.ts'

export interface Who {
  readonly device: string | undefined
  readonly clientId: string
  readonly user: string | undefined
}

/** A level of a rule that matches whatever stands there, also what begins with $. */
const anything = '\u0001'

/** A topic against a filter, level by level.  MQTT 5 section 4.7 */
export function matches(filter: string, topic: string): boolean {
  const [levels, words] = [filter.split('/'), topic.split('/')]
  if (topic.startsWith('$') && (levels[0] === '#' || levels[0] === '+')) return false
  for (const [at, level] of levels.entries()) {
    if (level === '#') return words.length >= at
    if (words[at] === undefined || (level !== '+' && level !== anything && level !== words[at])) return false
  }
  return levels.length === words.length
}

/** Where there is no value, an allow rule matches nothing and a deny rule whatever stands there. */
function filterFor({ effect, filter }: Rule, { device, clientId, user }: Who): string {
  const none = effect === 'allow' ? '\0' : anything
  return filter
    .replace('%d', device ?? none)
    .replace('%c', clientId)
    .replace('%u', user ?? none)
}

/** As `maySubscribe`, and no topic of it is denied. */
export function mayReadAll(rules: readonly Rule[], who: Who, filter: string): boolean {
  const isDenied = (topic: string) =>
    rules.some((rule) => rule.effect === 'deny' && rule.actions.includes('subscribe') && matches(filterFor(rule, who), topic))
  return maySubscribe(rules, who, filter) && !universe.some((topic) => matches(filter, topic) && isDenied(topic))
}

export function may(rules: readonly Rule[], who: Who, action: Rule['actions'][number], topic: string): boolean {
  const asked = rules.filter((rule) => rule.actions.includes(action) && matches(filterFor(rule, who), topic))
  return asked.some(({ effect }) => effect === 'allow') && !asked.some(({ effect }) => effect === 'deny')
}

const words = ['$SYS', 'a', 'b', 'c', 'devices', 'd1', 'd2', 'state', 'x', 'secret', 'mark', '1', 'k1', 'never said']

/** Topics enough to tell any two filters of this alphabet apart. */
const universe = words.flatMap((one) => [
  one,
  ...words.flatMap((two) => [`${one}/${two}`, ...words.map((three) => `${one}/${two}/${three}`)]),
])

export function maySubscribe(rules: readonly Rule[], who: Who, filter: string): boolean {
  const meant = universe.filter((topic) => matches(filter, topic))
  const covers = (rule: Rule) => rule.actions.includes('subscribe') && meant.every((topic) => matches(filterFor(rule, who), topic))
  return rules.some((rule) => rule.effect === 'allow' && covers(rule)) && !rules.some((rule) => rule.effect === 'deny' && covers(rule))
}

export const topics = ['a/x', 'a/secret', 'b/x', 'b/secret', 'c/k1', 'devices/d1/state', 'devices/d2/state', 'devices/d2/x']
export const filters = ['#', 'a/#', '+/x', 'b/secret', 'devices/+/state', 'devices/d1/#', 'devices/d2/#', 'c/+', '+/secret']
const ruleFilters = [...filters, '#', '#', 'devices/%d/#', 'c/%c', 'c/%u', 'a/secret', 'devices/d2/x']
const actions: Rule['actions'] = ['publish', 'subscribe', 'retain']

export const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)] as T

/** Everybody may hear marks, which tell that all before them has arrived. */
export function randomRules(random: Random): Rule[] {
  const rules = Array.from({ length: 1 + random(4) }, (): Rule => {
    const some = actions.filter(() => random(4) > 0)
    return {
      effect: random(3) === 0 ? 'deny' : 'allow',
      actions: some.length === 0 ? ['subscribe'] : some,
      filter: pick(random, ruleFilters),
    }
  })
  const isMarkDenied = rules.some(({ effect, filter }) => effect === 'deny' && filter === '#')
  const rest = isMarkDenied ? rules.filter(({ filter }) => filter !== '#') : rules
  if (random(2) === 0) rest.push({ effect: 'allow', actions, filter: '#' })
  return [...rest, { effect: 'allow', actions: ['subscribe'], filter: 'mark/#' }]
}
