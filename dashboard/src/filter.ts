// The filter line of the devices: words such as `status:offline type:pump tag:hall`, and what may follow while it is typed. Pure.
import type { Entry } from './fleet.ts'

export const filterKeys = ['status', 'type', 'tag', 'transport', 'stale'] as const
export type FilterKey = (typeof filterKeys)[number]

export interface Term {
  readonly key: FilterKey
  /** Lower case. */
  readonly value: string
}

export interface Filter {
  /** Lower case; each has to be part of the id or the name. */
  readonly words: readonly string[]
  readonly terms: readonly Term[]
  /** Words that look like `key:value` with a key that is none. They are searched as they stand: an id may have a colon. */
  readonly strangers: readonly string[]
  /** Terms whose value can never be met. */
  readonly impossible: readonly Term[]
}

/** What the devices of the fleet have: for completion, and to tell `type:pump` from `type:pump-large`. */
export interface Facets {
  readonly types: ReadonlySet<string>
  /** `name:value` */
  readonly tags: ReadonlySet<string>
  readonly transports: ReadonlySet<string>
}

export interface Completion {
  /** The stretch of the line that `options` take the place of. */
  readonly from: number
  readonly to: number
  readonly options: readonly string[]
}

export const noFacets: Facets = { types: new Set(), tags: new Set(), transports: new Set() }

const statuses = ['online', 'away', 'offline'] as const
const answers = ['yes', 'no'] as const
const facetsMax = 2_000
const optionsMax = 10
/** Quotes hold a value with spaces together. */
const wordPattern = /(?:[^\s"]|"[^"]*"?)+/g

export function parseFilter(text: string): Filter {
  const words: string[] = []
  const terms: Term[] = []
  const strangers: string[] = []
  for (const [word] of text.toLowerCase().matchAll(wordPattern)) {
    const colon = word.indexOf(':')
    const key = word.slice(0, Math.max(colon, 0))
    const value = word.slice(colon + 1).replaceAll('"', '')
    if (isKey(key)) {
      if (value !== '') terms.push({ key, value }) // with nothing behind the colon there is nothing to ask for yet
      continue
    }
    if (/^[a-z]+$/.test(key)) strangers.push(word)
    const bare = word.replaceAll('"', '')
    if (bare !== '') words.push(bare)
  }
  const impossible = terms.filter(({ key, value }) => possible(key)?.some((one) => one.startsWith(value)) === false)
  return { words, terms, strangers, impossible }
}

export function isEmpty({ words, terms }: Filter): boolean {
  return words.length === 0 && terms.length === 0
}

export function asksFor({ terms }: Filter, key: FilterKey): boolean {
  return terms.some((term) => term.key === key)
}

export function matches(entry: Entry, { words, terms }: Filter, facets: Facets, stale: ReadonlySet<string>): boolean {
  const id = entry.id.toLowerCase()
  return (
    terms.every((term) => meets(entry, term, facets, stale)) &&
    words.every((word) => id.includes(word) || entry.name.peek().toLowerCase().includes(word))
  )
}

function meets(entry: Entry, { key, value }: Term, facets: Facets, stale: ReadonlySet<string>): boolean {
  switch (key) {
    case 'status':
      return entry.presence.peek().at.startsWith(value)
    case 'type': {
      const type = entry.type.peek()?.toLowerCase()
      return type !== undefined && (facets.types.has(value) ? type === value : type.startsWith(value))
    }
    case 'tag':
      return hasTag(entry, value)
    case 'transport':
      return entry.presence.peek().wire?.startsWith(value) === true
    case 'stale':
      return stale.has(entry.id) === 'yes'.startsWith(value)
  }
}

/** `hall` is any tag of that name or value, `room:hall` that one. Half a value counts while it is typed. */
function hasTag(entry: Entry, wanted: string): boolean {
  for (const [name, value] of Object.entries(entry.tags.peek())) {
    const tag = `${name}:${value}`.toLowerCase()
    if (wanted.includes(':') ? tag.startsWith(wanted) : name.toLowerCase().startsWith(wanted) || value.toLowerCase().startsWith(wanted))
      return true
  }
  return false
}

export function facetsOf(fleet: readonly Entry[]): Facets {
  const types = new Set<string>()
  const tags = new Set<string>()
  const transports = new Set<string>()
  for (const entry of fleet) {
    const type = entry.type.peek()
    const { wire } = entry.presence.peek()
    if (type !== null && types.size < facetsMax) types.add(type.toLowerCase())
    if (wire !== undefined) transports.add(wire)
    if (tags.size < facetsMax) for (const [name, value] of Object.entries(entry.tags.peek())) tags.add(`${name}:${value}`.toLowerCase())
  }
  return { types, tags, transports }
}

/** What may stand at the cursor: a key, or a value of the key before the colon. */
export function completionAt(text: string, cursor: number, facets: Facets): Completion {
  const word = [...text.matchAll(wordPattern)].find(({ 0: it, index }) => index <= cursor && cursor <= index + it.length)
  const from = word?.index ?? cursor
  const typed = text.slice(from, cursor).toLowerCase()
  const colon = typed.indexOf(':')
  const key = typed.slice(0, Math.max(colon, 0))
  const value = typed.slice(colon + 1).replaceAll('"', '')
  const options =
    colon < 0
      ? filterKeys.filter((one) => one.startsWith(typed)).map((one) => `${one}:`)
      : isKey(key)
        ? valuesOf(key, facets)
            .filter((one) => one.startsWith(value) && one !== value)
            .map((one) => `${key}:${quoted(one)}`)
        : []
  return { from, to: from + (word?.[0].length ?? 0), options: options.slice(0, optionsMax) }
}

function valuesOf(key: FilterKey, { types, tags, transports }: Facets): readonly string[] {
  if (key === 'type') return [...types].sort()
  if (key === 'tag') return [...tags].sort()
  if (key === 'transport') return [...transports].sort()
  return possible(key) ?? []
}

/** Of keys whose values are known without the fleet; of the others anything is possible. */
function possible(key: FilterKey): readonly string[] | null {
  if (key === 'status') return statuses
  return key === 'stale' ? answers : null
}

function isKey(text: string): text is FilterKey {
  return (filterKeys as readonly string[]).includes(text)
}

function quoted(text: string): string {
  return /\s/.test(text) ? `"${text}"` : text
}
