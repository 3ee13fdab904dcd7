// One level of topics or filters: what stands there, and the levels below it by their word. Most levels have one below or none, and a hundred
// thousand of them need not carry a Map each.

export class Level<Value> {
  value: Value | undefined = undefined
  /** The only level below, until there is a second: then all are in the map. */
  #word = ''
  #below: Level<Value> | Map<string, Level<Value>> | undefined = undefined

  /** Nothing stands here, and nothing below. */
  get isEmpty(): boolean {
    return this.value === undefined && this.#below === undefined
  }

  get(word: string): Level<Value> | undefined {
    const below = this.#below
    if (below === undefined) return undefined
    if (below instanceof Map) return below.get(word)
    return this.#word === word ? below : undefined
  }

  /** The level below of this word; a new one when there is none. */
  grow(word: string): Level<Value> {
    const known = this.get(word)
    if (known !== undefined) return known
    const level = new Level<Value>()
    if (this.#below === undefined) {
      this.#word = word
      this.#below = level
    } else if (this.#below instanceof Map) this.#below.set(word, level)
    else {
      this.#below = new Map([
        [this.#word, this.#below],
        [word, level],
      ])
      this.#word = ''
    }
    return level
  }

  *below(): Iterable<[word: string, level: Level<Value>]> {
    if (this.#below instanceof Map) yield* this.#below
    else if (this.#below !== undefined) yield [this.#word, this.#below]
  }

  /** The level that these words lead to. */
  find(words: readonly string[]): Level<Value> | undefined {
    let level: Level<Value> | undefined = this
    for (const word of words) {
      level = level.get(word)
      if (level === undefined) return undefined
    }
    return level
  }

  /** Removes the levels on the way of these words that are empty, the deepest first. */
  prune(words: readonly string[], depth = 0): void {
    if (depth === words.length) return
    const word = words[depth] as string
    const level = this.get(word)
    if (level === undefined) return
    level.prune(words, depth + 1)
    if (!level.isEmpty) return
    if (!(this.#below instanceof Map)) this.#below = undefined
    else if (this.#below.delete(word) && this.#below.size === 0) this.#below = undefined
  }
}
