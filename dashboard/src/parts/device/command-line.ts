// A command as one types it, `set-speed rpm=900 ramp=true`, and what is offered while one does.
import type { Command, ParamsSchema } from '../../api/twin.ts'
import { twinWords } from '../../words/twin.ts'
import { isObject } from './leaves.ts'

export type Declared = Readonly<Record<string, ParamsSchema>>

export interface Typed {
  readonly name: string
  readonly params: unknown
}

const pair = /([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)\s*/y
/** A list longer than a screen is no help. */
const offeredMax = 30

/** The command, or the sentence that says why it is none. */
export function readLine(line: string, declared: Declared): Typed | string {
  const [name = '', ...rest] = line.trim().split(/\s+/)
  const text = line.trim().slice(name.length).trim()
  const schema = Object.hasOwn(declared, name) ? declared[name]! : {}
  const params = rest.length === 0 ? {} : /^[[{"]/.test(text) ? jsonIn(text) : pairsIn(text, schema)
  if (params === undefined) return twinWords.commands.badParams
  const missing = (schema.required ?? []).filter((one) => !isObject(params) || !Object.hasOwn(params, one))
  return missing.length === 0 ? { name, params } : twinWords.commands.missing(missing.join(', '))
}

/** As it would be typed; params that have no such form as JSON. */
export function lineOf({ name, params }: Typed): string {
  if (!isObject(params)) return params === null || params === undefined ? name : `${name} ${JSON.stringify(params)}`
  const entries = Object.entries(params)
  if (entries.some(([key, value]) => typeof value === 'object' || /[\s=]/.test(key))) return `${name} ${JSON.stringify(params)}`
  return [name, ...entries.map(([key, value]) => `${key}=${typeof value === 'string' ? quoted(value) : String(value)}`)].join(' ')
}

/** What the type declares, with what has to be filled in; then what was sent before. */
export function offersOf(declared: Declared, sent: readonly Command[]): string[] {
  const begun = Object.entries(declared).map(([name, { required = [] }]) => [name, ...required.map((one) => `${one}=`)].join(' '))
  return [...new Set([...begun, ...sent.map(lineOf)])].slice(0, offeredMax)
}

/** What the declared command takes: `rpm integer · ramp boolean (optional)`; empty for one that is not declared. */
export function paramsText(line: string, declared: Declared): string {
  const [name = ''] = line.trim().split(/\s+/)
  if (!Object.hasOwn(declared, name)) return ''
  const { properties = {}, required = [], description } = declared[name]!
  const params = Object.entries(properties).map(([key, { type = '', enum: values }]) =>
    twinWords.commands.param(key, values === undefined ? type : values.join(' | '), required.includes(key)),
  )
  return [...(description === undefined ? [] : [description]), ...(params.length === 0 ? [twinWords.commands.noParams] : params)].join(
    ' · ',
  )
}

function pairsIn(text: string, { properties = {} }: ParamsSchema): object | undefined {
  const params: [string, unknown][] = []
  let at = 0
  while (at < text.length) {
    pair.lastIndex = at
    const [all, key, value] = pair.exec(text) ?? []
    if (all === undefined || key === undefined || value === undefined) return undefined
    params.push([key, ofType(value, Object.hasOwn(properties, key) ? properties[key]!.type : undefined)])
    at += all.length
  }
  return Object.fromEntries(params)
}

/** A serial number of digits stays text where the schema says so. */
function ofType(text: string, type: string | undefined): unknown {
  const value = jsonIn(text)
  return value === undefined || (type === 'string' && typeof value !== 'string') ? text : value
}

function quoted(text: string): string {
  return text === '' || /[\s"]/.test(text) || jsonIn(text) !== undefined ? JSON.stringify(text) : text
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
