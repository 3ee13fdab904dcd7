// How long points are kept, as the setting `keep` writes it: first what holds for all, then rules with a name for some of them.
import type { Kind } from './kinds.ts'

export const keptTiers = ['raw', 'minute', 'hour', 'day'] as const

type KeptTier = (typeof keptTiers)[number]

export interface KeepRule {
  /** `default` for the one that holds where no other does. */
  readonly name: string
  /** With `*` for any characters; undefined for any metric. */
  readonly metric: string | undefined
  /** Of the device; undefined for any. */
  readonly type: string | undefined
  /** Ms after the end of the day, month or year that a file holds; Infinity for ever. */
  readonly ms: Readonly<Record<KeptTier, number>>
}

/** The default rule is last: of those that fit, the first one holds. */
export type Retention = readonly KeepRule[]

const dayMs = 86_400_000
const unitMs: Readonly<Record<string, number>> = { d: dayMs, w: 7 * dayMs, y: 365 * dayMs }
const example = 'such as "raw 30d, minute 1y; fast metric=vibration.*: raw 7d; pumps type=pump: raw 90d"'

export const retention: Kind<Retention> = {
  placeholder: 'RULES',
  read(text) {
    const [first = '', ...others] = text.split(';').map((rule) => rule.trim())
    const standard = { name: 'default', metric: undefined, type: undefined, ms: lengthsOf(first, forEver) }
    const rules = others.filter((rule) => rule !== '').map((rule) => namedRule(rule, standard.ms))
    const names = new Set(rules.map(({ name }) => name))
    if (names.size < rules.length || names.has('default') || names.has('late')) throw new Error(`rules with names of their own, ${example}`)
    return [...rules, standard]
  },
}

const forEver: KeepRule['ms'] = { raw: Infinity, minute: Infinity, hour: Infinity, day: Infinity }

function namedRule(text: string, standard: KeepRule['ms']): KeepRule {
  const [, name, conditions, lengths] = /^([a-z0-9-]{1,32})((?:\s+(?:metric|type)=\S+?)+)\s*:(.*)$/.exec(text) ?? []
  if (name === undefined || conditions === undefined || lengths === undefined)
    throw new Error(`rules of the form "name metric=… type=…: raw 7d", ${example}`)
  const condition = (of: string) => new RegExp(`\\s${of}=(\\S+)`).exec(conditions)?.[1]
  return { name, metric: condition('metric'), type: condition('type'), ms: lengthsOf(lengths, standard) }
}

function lengthsOf(text: string, standard: KeepRule['ms']): KeepRule['ms'] {
  const lengths: Record<string, number> = { ...standard }
  for (const part of text.split(',')) {
    const [, tier, count, unit] = /^\s*(raw|minute|hour|day)\s+(?:(\d{1,5})([dwy])|forever)\s*$/.exec(part) ?? []
    if (tier === undefined || count === '0')
      throw new Error(`tiers (raw, minute, hour, day) and for how long (d, w, y or forever), ${example}`)
    lengths[tier] = count === undefined || unit === undefined ? Infinity : Number(count) * unitMs[unit]!
  }
  return lengths as KeepRule['ms']
}

/** Why it is not what one rule says of tiers; undefined when it is. */
export function whyNotKept(text: string): string | undefined {
  try {
    lengthsOf(text, forEver)
    return undefined
  } catch (error) {
    return `keep has ${(error as Error).message}`
  }
}

/** With a rule for each type that says how long its points are kept, before all others. */
export function withTypes(rules: Retention, types: readonly { readonly name: string; readonly keep?: string }[]): Retention {
  const standard = rules.at(-1)!.ms
  const ofTypes = types.flatMap(({ name, keep }): KeepRule[] =>
    keep === undefined || whyNotKept(keep) !== undefined
      ? []
      : [{ name: nameOfType(name), metric: undefined, type: name, ms: lengthsOf(keep, standard) }],
  )
  return [...ofTypes, ...rules]
}

/** It stands in names of files, some of which make no difference of a and A; no rule of the setting has an underscore. */
function nameOfType(type: string): string {
  return `type_${type.replace(/[^a-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16)}`)}`
}

/** The name of the rule that holds for a series. */
export function ruleFor(rules: Retention, metric: string, type: string | null): string {
  return rules.find((rule) => (rule.metric === undefined || fits(rule.metric, metric)) && (rule.type === undefined || rule.type === type))!
    .name
}

/** How long the rule of this name keeps a tier. A rule that is gone has left its files to the default. */
export function keptMs(rules: Retention, name: string, tier: KeptTier): number {
  return (rules.find((rule) => rule.name === name) ?? rules.at(-1)!).ms[tier]
}

function fits(pattern: string, metric: string): boolean {
  const parts = pattern.split('*')
  if (parts.length === 1) return pattern === metric
  if (!metric.startsWith(parts[0]!)) return false
  let at = parts[0]!.length
  for (const part of parts.slice(1, -1)) {
    const found = metric.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return metric.length - at >= parts.at(-1)!.length && metric.endsWith(parts.at(-1)!)
}
