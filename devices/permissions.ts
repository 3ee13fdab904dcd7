// What somebody may do on one connection: the rules of its identity, asked at publish, at subscribe and at every delivery.
import { type Action, actions, type Rule, type Subject } from './identity.ts'
import { type Pattern, usableValue } from './rule.ts'
import { type ActionBits, Answers, bitOf, RuleTree, type Words } from './rule-tree.ts'

export { type RuleLimits, readRules } from './rule.ts'

export interface Explanation {
  readonly allowed: boolean
  /** The rule that decided; null where no rule did. */
  readonly rule: AskedRule | null
  readonly sentence: string
  /** All rules for this action, in their order. */
  readonly asked: readonly AskedRule[]
}

export interface AskedRule {
  /** Counted from 1. */
  readonly number: number
  readonly rule: Rule
  /** The filter with values in place of variables; one without a value that may stand there stays as it is written. */
  readonly filter: string
  /** Those variables, as they are written. An allow rule matches nothing then, a deny rule whatever stands in their place. */
  readonly missing: readonly string[]
  readonly matches: boolean
}

/** Deny beats allow, and what no rule allows is not allowed. Rules and subject never change: a change makes new permissions. */
export class Permissions {
  /** Nothing is refused: the hub on loopback, an admin. No rules come to it, because # leaves out what begins with $. */
  readonly isUnbounded: boolean
  /** Shared by all with the same array of rules. */
  readonly #tree: RuleTree
  readonly #subject: Subject
  #words: Words | undefined
  /** The last topic asked about: most devices publish to one. */
  #topic: string | undefined
  #allowed: ActionBits = 0
  #answers: Answers | undefined

  constructor(rules: readonly Rule[], subject: Subject) {
    this.isUnbounded = rules === everything
    this.#tree = treeOf(rules)
    this.#subject = subject
  }

  /** `topic` is a topic name; of `subscribe` it is asked for each delivery. Allowed: at least one allow rule matches and no deny rule does. */
  may(action: Action, topic: string): boolean {
    return this.isUnbounded || ((topic === this.#topic ? this.#allowed : this.#ask(topic)) & bitOf[action]) !== 0
  }

  #ask(topic: string): ActionBits {
    const tree = this.#tree
    this.#words ??= tree.wordsFor(this.#subject)
    this.#answers ??= tree.answers // of everybody, where the subject makes no difference
    if (this.#topic !== undefined) this.#answers ??= new Answers(16, 2_048)
    let allowed = this.#answers?.get(topic)
    if (allowed === undefined) {
      allowed = tree.allowedOn(topic, this.#words)
      this.#answers?.remember(topic, allowed)
    }
    this.#topic = topic
    this.#allowed = allowed
    return allowed
  }

  /**
   * `filter` without $share/…: some allow rule covers every topic the filter can match, and no deny rule covers it all (deny rules that cut a
   * piece out act at delivery).
   */
  maySubscribe(filter: string): boolean {
    if (this.isUnbounded) return true
    const { rules } = this.#tree
    this.#words ??= this.#tree.wordsFor(this.#subject)
    const levels = filter.split('/')
    let allowed = false
    for (const [place, { effect, actions }] of rules.entries()) {
      if ((allowed && effect === 'allow') || !actions.includes('subscribe')) continue
      if (!this.#tree.covers(place, levels, true, this.#words)) continue
      if (effect === 'deny') return false
      allowed = true
    }
    return allowed
  }

  /** As `maySubscribe`, where nothing asks again at a delivery: no deny rule cuts a piece out either. */
  mayReadAll(filter: string): boolean {
    if (this.isUnbounded) return true
    if (!this.maySubscribe(filter)) return false
    const words = this.#words as Words
    const levels = filter.split('/')
    return !this.#tree.rules.some(
      ({ effect, actions }, place) => effect === 'deny' && actions.includes('subscribe') && this.#tree.meets(place, levels, words),
    )
  }

  /** What `may` and, for `subscribe`, `maySubscribe` say, and why. */
  explain(action: Action, topicOrFilter: string): Explanation {
    if (this.isUnbounded) return { allowed: true, rule: null, sentence: 'allowed: nothing is refused here, no rule is asked', asked: [] }
    this.#words ??= this.#tree.wordsFor(this.#subject)
    const words = this.#words
    const levels = topicOrFilter.split('/')
    const asked: AskedRule[] = []
    for (const [place, rule] of this.#tree.rules.entries()) {
      if (!rule.actions.includes(action)) continue
      const matches = this.#tree.covers(place, levels, action === 'subscribe', words)
      asked.push({ number: place + 1, rule, ...this.#filterOf(place, words), matches })
    }
    const matching = asked.filter(({ matches }) => matches)
    const rule = matching.find(({ rule }) => rule.effect === 'deny') ?? matching[0] ?? null
    const sentence = rule === null ? notAllowed(action, topicOrFilter, asked) : decided(action, rule)
    return { allowed: rule?.rule.effect === 'allow', rule, sentence, asked }
  }

  #filterOf(place: number, words: Words): Pick<AskedRule, 'filter' | 'missing'> {
    const missing: string[] = []
    const levels = this.#tree.levels[place]?.map((level) => {
      if (typeof level === 'string') return level
      const word = words[level]
      return typeof word === 'string' ? word : asFarAsKnown(this.#tree.patterns[level] as Pattern, this.#subject, missing)
    })
    return { filter: levels?.join('/') ?? '', missing }
  }
}

// Made once for an array of rules, and gone with it.
const trees = new WeakMap<readonly Rule[], RuleTree>()

function treeOf(rules: readonly Rule[]): RuleTree {
  const known = trees.get(rules)
  if (known !== undefined) return known
  const tree = new RuleTree(rules)
  trees.set(rules, tree)
  return tree
}

const everything: readonly Rule[] = [{ effect: 'allow', actions, filter: '#' }]
const nobody: Subject = { device: undefined, clientId: '', user: undefined, tags: {} }

export const unbounded = new Permissions(everything, nobody)
export const nothing = new Permissions([], nobody)

function asFarAsKnown({ parts, isFirst }: Pattern, subject: Subject, missing: string[]): string {
  return parts
    .map((part, at) => {
      if (typeof part === 'string') return part
      const value = usableValue(part, subject, isFirst && at === 0)
      if (value === undefined && !missing.includes(part.written)) missing.push(part.written)
      return value ?? part.written
    })
    .join('')
}

function decided(action: Action, { number, rule, filter, missing }: AskedRule): string {
  const here = missing.length > 0 ? ` (${without(missing)}: whatever stands there)` : filter === rule.filter ? '' : ` (here ${filter})`
  return `${rule.effect === 'allow' ? 'allowed' : 'denied'} by rule ${number}: ${action} on ${rule.filter}${here}`
}

function notAllowed(action: Action, topicOrFilter: string, asked: readonly AskedRule[]): string {
  const isWide = action === 'subscribe' && /[+#]/.test(topicOrFilter)
  const clauses = [`no rule allows ${action} on ${isWide ? 'all of ' : ''}${topicOrFilter}`]
  for (const { number, rule, missing } of asked) {
    if (rule.effect === 'allow' && missing.length > 0) clauses.push(`rule ${number} matches nothing, because there is ${without(missing)}`)
  }
  return clauses.join('; ')
}

function without(missing: readonly string[]): string {
  return `no value for ${missing.join(', ')} that may stand in a topic`
}
