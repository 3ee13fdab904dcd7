// Topic filters: where wildcards may stand, and which topic names a few of them match where there is no tree of subscribers, in what is read
// back from the journal.

interface Branch {
  readonly next: Map<string, Branch>
  /** A filter ends here. */
  ends: boolean
}

/** MQTT 5 section 4.7. What it has found it remembers: the same topics come again and again. */
export class TopicFilters {
  readonly #root = branch()
  readonly #known = new Map<string, boolean>()

  /** Valid filters, without share names. */
  constructor(filters: Iterable<string>) {
    for (const filter of filters) {
      let at = this.#root
      for (const word of filter.split('/')) {
        const next = at.next.get(word) ?? branch()
        at.next.set(word, next)
        at = next
      }
      at.ends = true
    }
  }

  matches(topic: string): boolean {
    let matches = this.#known.get(topic)
    if (matches === undefined) {
      if (this.#known.size >= topicsKnown) this.#known.clear()
      // A filter that begins with a wildcard does not match a topic that begins with $.  5: [MQTT-4.7.2-1]
      matches = found(this.#root, topic.split('/'), 0, !topic.startsWith('$'))
      this.#known.set(topic, matches)
    }
    return matches
  }
}

const topicsKnown = 10_000

function branch(): Branch {
  return { next: new Map(), ends: false }
}

function found({ next, ends }: Branch, words: readonly string[], depth: number, wildcards: boolean): boolean {
  // `a/#` also matches `a`: the multi-level wildcard includes the parent.  5: section 4.7.1.2
  if (wildcards && next.has('#')) return true
  const word = words[depth]
  if (word === undefined) return ends
  const exact = next.get(word)
  if (exact !== undefined && found(exact, words, depth + 1, true)) return true
  const single = wildcards ? next.get('+') : undefined
  return single !== undefined && found(single, words, depth + 1, true)
}

/** Why wildcards cannot stand where they do; undefined when they can, or when there are none. */
export function wildcardProblem(filter: string): string | undefined {
  const hash = filter.indexOf('#')
  if (hash !== -1 && hash !== filter.length - 1) return '# is not at its end' // 5: [MQTT-4.7.1-1]
  if (hash > 0 && filter[hash - 1] !== '/') return '# is not alone in its level' // 5: [MQTT-4.7.1-1]
  if (/[^/]\+|\+[^/]/.test(filter)) return '+ is not alone in its level' // 5: [MQTT-4.7.1-2]
  return undefined
}
