// What is to come about by a command: a metric, or something that the device reports of its state, has a value.
import { isObject } from './device.ts'
import { isSame } from './merge-patch.ts'

type Comparison =
  | { readonly equals: unknown }
  | { readonly above: number }
  | { readonly below: number }
  | { readonly between: readonly [number, number] }

/** `withinSeconds`: counted from the reply that says it is done. */
export type Condition = ({ readonly metric: string } | { readonly reported: string }) & Comparison & { readonly withinSeconds: number }

export interface ConditionLimits {
  readonly metricNameBytes: number
  readonly commandSecondsMax: number
}

const withinSecondsStandard = 60
const comparisons = ['equals', 'above', 'below', 'between'] as const

const form =
  'until is {"metric":"speed","above":10} or {"reported":"valve.open","equals":true}, by one of equals, above, below or between, and with withinSeconds if wished'

/** The condition, or the clause that says why it is none. */
export function readCondition(value: unknown, { metricNameBytes, commandSecondsMax }: ConditionLimits): Condition | string {
  if (!isObject(value)) return form
  const { metric, reported, withinSeconds = withinSecondsStandard, ...compared } = value
  const of = metric ?? reported
  if ((metric === undefined) === (reported === undefined) || typeof of !== 'string' || of === '' || of.length > metricNameBytes) return form
  const [word, ...others] = Object.keys(compared)
  if (others.length > 0 || !comparisons.some((one) => one === word)) return form
  const bound = compared[word as string]
  if ((word === 'above' || word === 'below') && typeof bound !== 'number') return `${word} is a number`
  const isRange = Array.isArray(bound) && bound.length === 2 && bound.every((one) => typeof one === 'number')
  if (word === 'between' && !isRange) return 'between is two numbers'
  const isTime = typeof withinSeconds === 'number' && Number.isInteger(withinSeconds) && withinSeconds >= 1
  if (!isTime || withinSeconds > commandSecondsMax) return `withinSeconds is 1 to ${commandSecondsMax} (limits.commandSecondsMax)`
  return { ...(metric === undefined ? { reported: of } : { metric: of }), ...(compared as Comparison), withinSeconds }
}

/** Whether it holds for this value; undefined is none. */
export function holds(condition: Condition, value: unknown): boolean {
  if (value === undefined) return false
  if ('equals' in condition) return isSame(condition.equals, value)
  if (typeof value !== 'number') return false
  if ('above' in condition) return value > condition.above
  if ('below' in condition) return value < condition.below
  const [low, high] = condition.between
  return value >= low && value <= high
}
