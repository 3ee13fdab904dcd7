// What devices of one type have in common: what they may do and how much, which metrics they send, how long these are kept.
import { isDeviceType, isObject, isText, type MetricValue } from './device.ts'
import { isOwnMetric } from './telemetry.ts'

export const metricTypes = ['number', 'integer', 'boolean', 'string', 'json'] as const

/** `json` is any value, null too; null is no value of the others. */
export type MetricType = (typeof metricTypes)[number]

export interface MetricRule {
  readonly type: MetricType
  readonly unit?: string
  /** Both included; of numbers and integers alone. */
  readonly min?: number
  readonly max?: number
  /** Seconds within which it comes again; after three times that it is stale. Learned where it is not said. */
  readonly every?: number
  readonly description?: string
}

/** Of one device each. What is left out is as the hub has it for all. */
export interface TypeRates {
  readonly messagesPerSecond?: number
  readonly bytesPerSecond?: number
  /** What a silent device saves up at most: what it may publish in this time. */
  readonly burstSeconds?: number
  /** Sessions that it opens, or takes up again. */
  readonly connectionsPerMinute?: number
  /** Of each of its sessions. */
  readonly subscriptions?: number
}

export interface DeviceType {
  readonly name: string
  readonly description?: string
  /** Of its devices where a credential names none, which is the role `device`. */
  readonly role?: string
  readonly limits?: TypeRates
  /** Of gateways: whom they speak for. `registered`, also when left out: devices that somebody has given them; `new`: also those nobody has heard of. */
  readonly children?: 'registered' | 'new'
  readonly metrics?: { readonly [metric: string]: MetricRule }
  /** What happens to metrics that are not named there. */
  readonly others?: 'take' | 'refuse'
  /** How long points are kept, in the words of one rule: `raw 30d, minute 1y`. */
  readonly keep?: string
  /** What its devices can be asked to do: of each command by name a JSON schema of its params, for whoever offers it. */
  readonly commands?: { readonly [name: string]: object }
}

/** Bounds of a type; the hub's own table of limits has this shape. */
export interface DeviceTypeLimits {
  readonly deviceTypeBytes: number
  readonly deviceTypeDocumentBytes: number
  readonly metricsPerDevice: number
  readonly metricNameBytes: number
  readonly metricUnitBytes: number
  readonly descriptionBytes: number
  readonly subscriptionsPerSession: number
  readonly commandNameBytes: number
}

const rateMax = 1e9
const encoder = new TextEncoder()

/**
 * A type as somebody has written it, or the clause that says what is wrong. Whether there is such a role, and what `keep` says, is looked at
 * elsewhere.
 */
export function readDeviceType(name: string, value: unknown, limits: DeviceTypeLimits): DeviceType | string {
  if (!isDeviceType(name, limits) || name === '.' || name === '..')
    return `its name is 1 to ${limits.deviceTypeBytes} letters, digits or . _ : @ -`
  if (!isObject(value)) return 'a type is a JSON object'
  const { name: said = name, description, role, limits: rates, children, metrics, others, keep, commands, ...foreign } = value
  const [stranger] = Object.keys(foreign)
  if (stranger !== undefined) return `a type has no member ${JSON.stringify(stranger.slice(0, 64))}`
  if (said !== name) return `it is called ${name}, and says another name`
  if (description !== undefined && !isText(description, limits.descriptionBytes))
    return `its description is text of at most ${limits.descriptionBytes} bytes (limits.descriptionBytes)`
  if (role !== undefined && !(typeof role === 'string' && role !== '')) return 'its role is the name of a role'
  if (children !== undefined && children !== 'registered' && children !== 'new') return 'children is registered or new'
  if (keep !== undefined && typeof keep !== 'string') return 'keep is text, such as "raw 30d, minute 1y"'
  const why =
    (rates === undefined ? undefined : whyNotRates(rates, limits)) ??
    whyNotMetrics(metrics, others, limits) ??
    whyNotCommands(commands, limits)
  if (why !== undefined) return why
  if (encoder.encode(JSON.stringify(value)).length > limits.deviceTypeDocumentBytes)
    return `as JSON it has more than ${limits.deviceTypeDocumentBytes} bytes (limits.deviceTypeDocumentBytes)`
  return { ...value, name } as DeviceType
}

function whyNotRates(rates: unknown, { subscriptionsPerSession }: DeviceTypeLimits): string | undefined {
  const names = 'messagesPerSecond, bytesPerSecond, burstSeconds, connectionsPerMinute and subscriptions'
  if (!isObject(rates)) return `limits is an object of ${names}`
  for (const [name, value] of Object.entries(rates)) {
    if (!names.split(/, | and /).includes(name)) return `limits are ${names}, and not ${JSON.stringify(name.slice(0, 64))}`
    if (name === 'subscriptions') {
      if (!(Number.isInteger(value) && (value as number) >= 0 && (value as number) <= subscriptionsPerSession))
        return `subscriptions is a number from 0 to ${subscriptionsPerSession} (limits.subscriptionsPerSession)`
    } else if (!(typeof value === 'number' && value > 0 && value <= rateMax)) return `${name} is a number above 0`
  }
  return undefined
}

/** A schema is for people and pages: a device itself says what it takes, so that the hub refuses nothing by it. */
function whyNotCommands(commands: unknown, { commandNameBytes }: DeviceTypeLimits): string | undefined {
  if (commands === undefined) return undefined
  if (!isObject(commands)) return 'commands is an object with a JSON schema for each command'
  for (const [name, schema] of Object.entries(commands)) {
    if (name === '' || !isText(name, commandNameBytes)) return `a command is called by 1 to ${commandNameBytes} bytes of text`
    if (!isObject(schema)) return `the command ${shown(name)} has a JSON schema of its params, an object`
  }
  return undefined
}

function whyNotMetrics(metrics: unknown, others: unknown, limits: DeviceTypeLimits): string | undefined {
  if (others !== undefined && others !== 'take' && others !== 'refuse') return 'others is take or refuse'
  if (metrics === undefined) return others === 'refuse' ? 'others can be refused where metrics are named' : undefined
  if (!isObject(metrics) || Object.keys(metrics).length === 0) return 'metrics is an object with a member for each metric'
  const { metricsPerDevice, metricNameBytes } = limits
  if (Object.keys(metrics).length > metricsPerDevice) return `it has at most ${metricsPerDevice} metrics (limits.metricsPerDevice)`
  for (const [metric, rule] of Object.entries(metrics)) {
    if (metric === '' || !isText(metric, metricNameBytes)) return `a metric is called by 1 to ${metricNameBytes} bytes of text`
    if (isOwnMetric(metric)) return `the metric ${shown(metric)} is measured by the hub`
    const why = whyNotRule(rule, limits)
    if (why !== undefined) return `the metric ${shown(metric)} ${why}`
  }
  return undefined
}

function whyNotRule(rule: unknown, { metricUnitBytes, descriptionBytes }: DeviceTypeLimits): string | undefined {
  if (!isObject(rule)) return 'is an object with its type'
  const { type, unit, min, max, every, description, ...foreign } = rule
  const [stranger] = Object.keys(foreign)
  if (stranger !== undefined) return `has type, unit, min, max, every and description, and not ${JSON.stringify(stranger.slice(0, 64))}`
  if (!metricTypes.includes(type as MetricType)) return `has one of the types ${metricTypes.join(', ')}`
  if (unit !== undefined && !isText(unit, metricUnitBytes)) return `has a unit of at most ${metricUnitBytes} bytes of text`
  if (description !== undefined && !isText(description, descriptionBytes))
    return `has a description of at most ${descriptionBytes} bytes of text`
  if (every !== undefined && !(typeof every === 'number' && every > 0 && every <= rateMax))
    return 'comes every so many seconds, a number above 0'
  const bounds = [min, max].filter((bound) => bound !== undefined)
  if (bounds.length > 0 && type !== 'number' && type !== 'integer') return `has min and max, which are for numbers and integers`
  if (!bounds.every((bound) => typeof bound === 'number' && Number.isFinite(bound))) return 'has a min and a max that are numbers'
  return typeof min === 'number' && typeof max === 'number' && min > max ? 'has a min above its max' : undefined
}

/** The metrics of a type, ready to be asked for each point. */
export interface MetricSchema {
  readonly type: string
  readonly rules: ReadonlyMap<string, MetricRule>
  readonly refusesOthers: boolean
}

/** Undefined where there is nothing to check. */
export function schemaOf({ name, metrics, others }: DeviceType): MetricSchema | undefined {
  return metrics === undefined ? undefined : { type: name, rules: new Map(Object.entries(metrics)), refusesOthers: others === 'refuse' }
}

/** The clause that says why a device of the type may not send this; undefined when it may. */
export function whyNotOfType({ type, rules, refusesOthers }: MetricSchema, metric: string, value: MetricValue): string | undefined {
  const rule = rules.get(metric)
  if (rule === undefined) return refusesOthers ? `the type ${type} has no metric ${shown(metric)}` : undefined
  if (!isOfType(rule.type, value)) return `the metric ${shown(metric)} of the type ${type} is ${articled[rule.type]}, not ${kindOf(value)}`
  if (typeof value !== 'number') return undefined
  if (rule.min !== undefined && value < rule.min)
    return `the metric ${shown(metric)} of the type ${type} is at least ${rule.min}, not ${value}`
  if (rule.max !== undefined && value > rule.max)
    return `the metric ${shown(metric)} of the type ${type} is at most ${rule.max}, not ${value}`
  return undefined
}

const articled = { number: 'a number', integer: 'an integer', boolean: 'true or false', string: 'a string', json: 'JSON' } as const

function isOfType(type: MetricType, value: MetricValue): boolean {
  if (type === 'json') return true
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}

function kindOf(value: MetricValue): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return `${value}`
  return typeof value === 'string' ? 'a string' : 'JSON'
}

/** Cut to the length of a sentence. */
function shown(metric: string): string {
  return metric.length <= 64 ? metric : `${metric.slice(0, 64)}…`
}
