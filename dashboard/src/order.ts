// Which devices the table shows, and in which order. Pure.
import type { Entry } from './fleet.ts'

export type SortKey = 'device' | 'state' | 'seen'

export interface Filter {
  /** Lower case; each has to be part of the id or the name. */
  readonly words: readonly string[]
  readonly connected: boolean | null
}

export function parseFilter(text: string): Filter {
  const words: string[] = []
  let connected: boolean | null = null
  for (const word of text.toLowerCase().split(/\s+/)) {
    // Half a word counts while it is typed; with none of it there is nothing to ask for yet.
    if (word === '' || word === 'is:') continue
    if ('is:connected'.startsWith(word) && word.startsWith('is:')) connected = true
    else if ('is:offline'.startsWith(word) && word.startsWith('is:')) connected = false
    else words.push(word)
  }
  return { words, connected }
}

export function matches(entry: Entry, filter: Filter): boolean {
  if (filter.connected !== null && entry.connected.peek() !== filter.connected) return false
  return filter.words.every((word) => entry.id.toLowerCase().includes(word) || entry.name.peek().toLowerCase().includes(word))
}

export function isSortKey(text: string | null): text is SortKey {
  return text === 'device' || text === 'state' || text === 'seen'
}

/** `fleet` is in order of id, so that order costs nothing and settles every tie. */
export function sorted(fleet: readonly Entry[], key: SortKey): readonly Entry[] {
  if (key === 'device') return fleet
  if (key === 'state') return fleet.toSorted((a, b) => Number(b.connected.peek()) - Number(a.connected.peek()))
  return fleet.toSorted((a, b) => (b.lastSeenAt.peek() ?? 0) - (a.lastSeenAt.peek() ?? 0))
}

/** While someone points into the table no row moves: who is gone leaves, who is new joins at the end. */
export function held(before: readonly Entry[], matching: readonly Entry[]): readonly Entry[] {
  const present = new Set(matching)
  const known = new Set(before)
  return [...before.filter((entry) => present.has(entry)), ...matching.filter((entry) => !known.has(entry))]
}
