// The topics that the tail has heard, as a tree with counts and rates. Pure but for the times it is given.

export interface Branch {
  readonly name: string
  readonly path: string
  readonly depth: number
  readonly children: Map<string, Branch>
  /** Messages here and below. */
  count: number
  /** … a second. */
  rate: number
  changedMs: number
  retained: boolean
  isOpen: boolean
  /** Heard since the rates were last made. */
  fresh: number
  /** Its children by name, until another one comes. */
  sorted: readonly Branch[] | null
}

/** Topics past these are counted with the last level there is room for. */
export const branchesMax = 5_000
/** How much of the newest second goes into the rate. */
const weight = 0.4

export class TopicTree {
  #root = branch('', '', -1)
  #size = 0
  /** Something stood in a topic for which there was no branch left. */
  isFull = false

  clear(): void {
    this.#root = branch('', '', -1)
    this.#size = 0
    this.isFull = false
  }

  get size(): number {
    return this.#size
  }

  /** `isLive` false: from the history, which says nothing about rates. */
  hear(topic: string, nowMs: number, isLive: boolean): void {
    for (const one of this.#way(topic)) {
      one.count++
      if (!isLive) continue
      one.fresh++
      one.changedMs = nowMs
    }
  }

  retain(topic: string): void {
    const last = this.#way(topic).at(-1)
    if (last?.path === topic) last.retained = true
  }

  /** Once a second. */
  tick(seconds: number): void {
    tick(this.#root, seconds)
  }

  /** Every branch whose parents are open, in order. */
  rows(): Branch[] {
    const rows: Branch[] = []
    add(this.#root, rows)
    return rows
  }

  #way(topic: string): Branch[] {
    const way: Branch[] = []
    let at = this.#root
    for (const name of topic.split('/')) {
      let next = at.children.get(name)
      if (next === undefined) {
        if (this.#size >= branchesMax) {
          this.isFull = true
          break
        }
        this.#size++
        next = branch(name, at === this.#root ? name : `${at.path}/${name}`, at.depth + 1)
        at.children.set(name, next)
        at.sorted = null
      }
      way.push(next)
      at = next
    }
    return way
  }
}

/** What the tail has to follow to hear this branch alone. */
export function filterOf({ path, children }: Branch): string {
  return children.size === 0 ? path : `${path}/#`
}

function branch(name: string, path: string, depth: number): Branch {
  const numbers = { count: 0, rate: 0, changedMs: Number.NEGATIVE_INFINITY, fresh: 0 }
  return { name, path, depth, children: new Map(), ...numbers, retained: false, isOpen: depth < 1, sorted: null }
}

function tick(one: Branch, seconds: number): void {
  one.rate = one.rate * (1 - weight) + (one.fresh / seconds) * weight
  if (one.rate < 0.05) one.rate = 0
  one.fresh = 0
  for (const child of one.children.values()) tick(child, seconds)
}

function add(parent: Branch, rows: Branch[]): void {
  parent.sorted ??= [...parent.children.values()].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
  for (const child of parent.sorted) {
    rows.push(child)
    if (child.isOpen) add(child, rows)
  }
}
