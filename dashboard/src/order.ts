// In which order the table shows its devices. Pure.
import type { Tags } from '../../devices/device.ts'
import type { Entry } from './fleet.ts'

export const sortKeys = ['id', 'state', 'name', 'type', 'tags', 'transport', 'm1', 'm2', 'seen'] as const
export type SortKey = (typeof sortKeys)[number]

export interface Sort {
  readonly by: SortKey
  readonly isReversed: boolean
}

/** As it stands in the address: `seen`, or `-seen` for the other way round. By id when it is nothing known. */
export function parseSort(text: string | null): Sort {
  const isReversed = text?.startsWith('-') === true
  const by = sortKeys.find((key) => key === (isReversed ? text?.slice(1) : text))
  return by === undefined ? { by: 'id', isReversed: false } : { by, isReversed }
}

/** What the address says once this column is asked for: a second time turns it round. */
export function sortText(now: Sort, by: SortKey): string {
  const isReversed = now.by === by && !now.isReversed
  return by === 'id' && !isReversed ? '' : `${isReversed ? '-' : ''}${by}`
}

/** `fleet` is in order of id, so that order costs nothing and settles every tie. `metrics`: those of the columns `m1` and `m2`. */
export function sorted(fleet: readonly Entry[], { by, isReversed }: Sort, metrics: readonly string[] = []): readonly Entry[] {
  if (by === 'id') return isReversed ? fleet.toReversed() : fleet
  const keyed = fleet.map((entry) => ({ entry, key: keyOf(entry, by, metrics) }))
  const way = isReversed ? -1 : 1
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return Number(a.key === null) - Number(b.key === null) // who has nothing comes last, both ways
    return a.key < b.key ? -way : a.key > b.key ? way : 0
  })
  return keyed.map(({ entry }) => entry)
}

const stateOrder = { online: 0, away: 1, offline: 2 } as const

function keyOf(entry: Entry, by: SortKey, metrics: readonly string[]): string | number | null {
  switch (by) {
    case 'id':
      return entry.id
    case 'name':
      return entry.name.peek().toLowerCase()
    case 'state':
      return stateOrder[entry.presence.peek().at]
    case 'type':
      return entry.type.peek()
    case 'tags':
      return tagTexts(entry.tags.peek()).join(' ') || null
    case 'transport':
      return entry.presence.peek().wire ?? null
    case 'seen': {
      const at = entry.lastSeenAt.peek()
      return at === null ? null : -at // the newest first
    }
    case 'm1':
    case 'm2': {
      const value = entry.latest.get(metrics[by === 'm1' ? 0 : 1] ?? '')?.peek().value
      return typeof value === 'number' || typeof value === 'string' ? value : typeof value === 'boolean' ? Number(value) : null
    }
  }
}

export function tagTexts(tags: Tags): string[] {
  return Object.entries(tags)
    .map(([name, value]) => (value === '' ? name : `${name}:${value}`))
    .sort()
}

/** While someone points into the table no row moves: who is gone leaves, who is new joins at the end. */
export function held(before: readonly Entry[], matching: readonly Entry[]): readonly Entry[] {
  const present = new Set(matching)
  const known = new Set(before)
  return [...before.filter((entry) => present.has(entry)), ...matching.filter((entry) => !known.has(entry))]
}
