// A rule as it is written: what it may say, and what the variables in its filter come to for somebody.
import { isObject, isTagName, isText } from './device.ts'
import { type Action, actions, type Rule, type Subject } from './identity.ts'
import { wildcardProblem } from './topic-filter.ts'

/** Bounds of rules; the hub's own table of limits has this shape. */
export interface RuleLimits {
  readonly rulesPerRole: number
  readonly ruleFilterBytes: number
}

/** The rules, or the clause that says why they are refused. Rules are counted from 1. */
export function readRules(value: unknown, limits: RuleLimits): Rule[] | string {
  if (!Array.isArray(value) || value.length > limits.rulesPerRole) return `rules is a list of at most ${limits.rulesPerRole} rules`
  const rules: Rule[] = []
  for (const one of value as readonly unknown[]) {
    const rule = readRule(one, limits)
    if (typeof rule === 'string') return `rule ${rules.length + 1}: ${rule}`
    rules.push(rule)
  }
  return rules
}

function readRule(value: unknown, { ruleFilterBytes }: RuleLimits): Rule | string {
  if (!isObject(value)) return 'a rule is a JSON object of effect, actions and filter'
  const foreign = Object.keys(value).find((member) => member !== 'effect' && member !== 'actions' && member !== 'filter')
  if (foreign !== undefined) return `a rule has effect, actions and filter, and nothing called ${quoted(foreign)}`
  const { effect, filter } = value
  if (effect !== 'allow' && effect !== 'deny') return 'effect is allow or deny'
  const read = readActions(value['actions'])
  if (read === undefined) return `actions is a list of one or more of ${actions.join(', ')}, each once`
  if (!isText(filter, ruleFilterBytes) || filter === '')
    return `filter is a topic filter of 1 to ${ruleFilterBytes} bytes without control characters`
  const levels = readLevels(filter)
  return typeof levels === 'string' ? `the filter ${quoted(filter)} cannot be used: ${levels}` : { effect, actions: read, filter }
}

function readActions(value: unknown): Action[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined
  const read = actions.filter((action) => value.includes(action))
  return read.length === value.length ? read : undefined
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}

export interface Variable {
  /** As it stands in the filter. */
  readonly written: string
  readonly valueFor: (subject: Subject) => string | undefined
}

/** A level with variables in it. */
export interface Pattern {
  readonly parts: readonly (string | Variable)[]
  /** The first level: whether it begins with $ matters. */
  readonly isFirst: boolean
}

/** The levels of a rule's filter: `+`, `#`, a word or a pattern. Or the clause that says why they cannot be read. */
export function readLevels(filter: string): readonly (string | Pattern)[] | string {
  // A shared subscription is asked for as the filter in it, so this would never match.
  if (filter.startsWith('$share/')) return 'leave $share and the share name out, and it holds for shared subscriptions too'
  const levels: (string | Pattern)[] = []
  const plain: string[] = []
  for (const level of filter.split('/')) {
    const parts = readParts(level)
    if (typeof parts === 'string') return parts
    plain.push(parts.map((part) => (typeof part === 'string' ? part : 'x')).join(''))
    levels.push(parts.some((part) => typeof part !== 'string') ? { parts, isFirst: levels.length === 0 } : parts.join(''))
  }
  return wildcardProblem(plain.join('/')) ?? levels
}

/** A percent sign and what belongs to it. */
const percent = /(%(?:t\([^)]*\)|.|$))/su

function readParts(level: string): (string | Variable)[] | string {
  const parts: (string | Variable)[] = []
  for (const piece of level.split(percent)) {
    const part = piece.startsWith('%') ? readVariable(piece) : piece
    if (part === undefined) return `${piece} stands for nothing; there are %d, %c, %u, %t(name of a tag), and %% for a percent sign`
    if (part !== '') parts.push(part)
  }
  return parts
}

/** `%%` is a text. */
function readVariable(written: string): string | Variable | undefined {
  if (written === '%%') return '%'
  if (written === '%d') return { written, valueFor: ({ device }) => device }
  if (written === '%c') return { written, valueFor: ({ clientId }) => clientId }
  if (written === '%u') return { written, valueFor: ({ user }) => user }
  if (!written.startsWith('%t(')) return undefined
  const name = written.slice(3, -1)
  if (!isTagName(name, { tagNameBytes: written.length })) return undefined
  return { written, valueFor: ({ tags }) => (Object.hasOwn(tags, name) ? tags[name] : undefined) }
}

/** What a pattern comes to where a variable has no value that may stand there: anything between these two. */
export interface Gap {
  readonly before: string
  readonly after: string
}

/** The word that a pattern is for this subject. What stands between two gaps is not looked at: only deny rules match a gap. */
export function wordFor({ parts, isFirst }: Pattern, subject: Subject): string | Gap {
  let before = ''
  let after: string | undefined
  for (const [at, part] of parts.entries()) {
    const text = typeof part === 'string' ? part : usableValue(part, subject, isFirst && at === 0)
    if (text === undefined) after = ''
    else if (after === undefined) before += text
    else after += text
  }
  return after === undefined ? before : { before, after }
}

/**
 * The value if it is one word and nothing else wherever it stands, else undefined. Identifiers are chosen by those whom the rules hold for:
 * Mosquitto once took a client identifier `#` for a wildcard (CVE-2017-7650).
 */
export function usableValue({ valueFor }: Variable, subject: Subject, isStart: boolean): string | undefined {
  const value = valueFor(subject)
  if (value === undefined || value === '' || /[/+#\0]/.test(value) || (isStart && value.startsWith('$'))) return undefined
  return value
}
