// What somebody may do on one connection: the rules of its identity, asked at publish, at subscribe and at every delivery.
import { type DeviceId, isDeviceId } from './device.ts'
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

/** Of a gateway: the devices that it speaks for. When that is others, or they may do other things, new permissions are made. */
export interface Children {
  readonly count: number
  /** Nobody has heard of it, and it would be a child: what is said of it here holds for this moment. */
  isNew(device: DeviceId): boolean
  /** What that device may do itself; undefined where it does not speak for it. */
  of(device: DeviceId): Permissions | undefined
  /** Why it does not. */
  whyNot(device: DeviceId): WhyNotChild
}

/** `stranger`: it has no gateway, or another one. */
export type WhyNotChild = 'disabled' | 'stranger'

/** What a gateway may do as its children may; to command and to administer is nobody's but who was given it. */
const inPlace: ActionBits = bitOf.publish | bitOf.subscribe | bitOf.retain

/** Deny beats allow, and what no rule allows is not allowed. Rules and subject never change: a change makes new permissions. */
export class Permissions {
  /** Nothing is refused: the hub on loopback, an admin. No rules come to it, because # leaves out what begins with $. */
  readonly isUnbounded: boolean
  /** Shared by all with the same array of rules. */
  readonly #tree: RuleTree
  readonly #subject: Subject
  readonly #children: Children | undefined
  #words: Words | undefined
  /** The last topic asked about: most devices publish to one. */
  #topic: string | undefined
  #allowed: ActionBits = 0
  #answers: Answers | undefined

  constructor(rules: readonly Rule[], subject: Subject, children?: Children) {
    this.isUnbounded = rules === everything
    this.#tree = treeOf(rules)
    this.#subject = subject
    this.#children = children
  }

  /** Whose permissions they are; undefined where they are of no device, or nothing is refused. */
  get device(): DeviceId | undefined {
    return this.#subject.device
  }

  /** It speaks for other devices, or may come to. */
  get isGateway(): boolean {
    return this.#children !== undefined
  }

  /** `topic` is a topic name; of `subscribe` it is asked for each delivery. Allowed: at least one allow rule matches and no deny rule does. */
  may(action: Action, topic: string): boolean {
    return this.isUnbounded || (this.#bitsOn(topic) & bitOf[action]) !== 0
  }

  #bitsOn(topic: string): ActionBits {
    return topic === this.#topic ? this.#allowed : this.#ask(topic)
  }

  #ask(topic: string): ActionBits {
    const tree = this.#tree
    this.#words ??= tree.wordsFor(this.#subject)
    // Those of everybody, where the subject makes no difference; of a gateway as many more as it has children.
    this.#answers ??= this.#children === undefined ? tree.answers : answersFor(this.#children)
    if (this.#topic !== undefined) this.#answers ??= new Answers(16, 2_048)
    let allowed = this.#answers?.get(topic)
    if (allowed === undefined) {
      allowed = tree.allowedOn(topic, this.#words)
      const device = this.#children === undefined ? undefined : deviceIn(topic)
      if (device !== undefined) {
        const child = this.#child(device)
        if (child !== undefined) allowed |= child.#bitsOn(topic) & inPlace & ~tree.deniedOn(topic, this.#words)
        if (this.#children?.isNew(device) === true) return allowed
      }
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
    const levels = filter.split('/')
    const own = this.#coverOf(levels)
    if (own !== undefined || this.#children === undefined || !isOfDevices(levels)) return own === 'allow'
    const device = levels[1] as string
    return device === '+' || this.#child(device)?.maySubscribe(filter) === true
  }

  /** The same by its own rules, whomever it speaks for. */
  mayItself(filter: string): boolean {
    return this.isUnbounded || this.#coverOf(filter.split('/')) === 'allow'
  }

  /** What the rules say that match all of it: deny, if one of them does. */
  #coverOf(levels: readonly string[]): Rule['effect'] | undefined {
    const { rules } = this.#tree
    this.#words ??= this.#tree.wordsFor(this.#subject)
    let found: Rule['effect'] | undefined
    for (const [place, { effect, actions }] of rules.entries()) {
      if (effect === found || !actions.includes('subscribe')) continue
      if (!this.#tree.covers(place, levels, true, this.#words)) continue
      if (effect === 'deny') return effect
      found = effect
    }
    return found
  }

  #child(device: string): Permissions | undefined {
    return isDeviceId(device) ? this.#children?.of(device) : undefined
  }

  /** Of a gateway, for a topic on which it may not act: the device it would have to speak for, and why it does not. Undefined where that is not the reason. */
  whyNotFor(topic: string): { readonly device: DeviceId; readonly why: WhyNotChild } | undefined {
    const device = deviceIn(topic)
    const children = this.#children
    if (children === undefined || device === undefined || device === this.#subject.device) return undefined
    if (children.of(device) !== undefined) return undefined
    return { device, why: children.whyNot(device) }
  }

  /** The gateway of a device that nobody has heard of: of one that may bring such devices, itself. */
  gatewayOfNew(device: DeviceId): DeviceId | undefined {
    return this.#children?.isNew(device) === true ? this.#subject.device : undefined
  }

  /** As `maySubscribe`, where nothing asks again at a delivery: no deny rule cuts a piece out either. */
  mayReadAll(filter: string): boolean {
    if (this.isUnbounded) return true
    const levels = filter.split('/')
    const isOwn = this.#coverOf(levels) === 'allow'
    const words = this.#words as Words
    const isCut = this.#tree.rules.some(
      ({ effect, actions }, place) => effect === 'deny' && actions.includes('subscribe') && this.#tree.meets(place, levels, words),
    )
    if (isCut || isOwn) return !isCut
    return isOfDevices(levels) && this.#child(levels[1] as string)?.mayReadAll(filter) === true
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
    if (rule === null && (bitOf[action] & inPlace) !== 0) {
      const inPlaceOf = this.#explainAsChild(action, topicOrFilter, asked)
      if (inPlaceOf !== undefined) return inPlaceOf
    }
    const sentence = rule === null ? notAllowed(action, topicOrFilter, asked) : decided(action, rule)
    return { allowed: rule?.rule.effect === 'allow', rule, sentence, asked }
  }

  #explainAsChild(action: Action, topicOrFilter: string, asked: readonly AskedRule[]): Explanation | undefined {
    const levels = topicOrFilter.split('/')
    const device = levels[1] as string
    if (this.#children === undefined || !isOfDevices(levels) || device === this.#subject.device) return undefined
    if (device === '+' && action === 'subscribe') {
      const sentence = 'allowed to a gateway: of what matches it gets what its children may have'
      return { allowed: true, rule: null, sentence, asked }
    }
    const child = this.#children.of(device)
    if (child === undefined) {
      const why = { disabled: 'is disabled', stranger: 'is no child of this gateway' }[this.#children.whyNot(device)]
      return { allowed: false, rule: null, sentence: `${notAllowed(action, topicOrFilter, asked)}; ${device} ${why}`, asked }
    }
    const explained = child.explain(action, topicOrFilter)
    return { ...explained, sentence: `in place of ${device}: ${explained.sentence}` }
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

/** Below one device, or one level of `+`. */
function isOfDevices([first, device, ...rest]: readonly string[]): boolean {
  return first === 'devices' && device !== undefined && rest.length > 0 && (device === '+' || isDeviceId(device))
}

function deviceIn(topic: string): DeviceId | undefined {
  if (!topic.startsWith('devices/')) return undefined
  const end = topic.indexOf('/', 8)
  const device = topic.slice(8, end)
  return end !== -1 && isDeviceId(device) ? device : undefined
}

/** A device is spoken of by a few topics. With a thousand children: 0.05 µs for what was answered before. */
function answersFor({ count }: Children): Answers {
  const topics = Math.min(16 + 4 * count, 16_384)
  return new Answers(topics, topics * 64)
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
