// The last retained message of each topic, kept in a tree so that a filter finds its topics without looking at all of them.
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { limits, MiB } from '../limits.ts'

class Level {
  children: Map<string, Level> | undefined = undefined
  message: Message | undefined = undefined
}

export class Retained {
  readonly #root = new Level()
  #count = 0
  #bytes = 0

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Asked before the message is kept in the journal, because what was journalled can no longer be refused. */
  assertRoomFor(topic: string, payloadBytes: number): void {
    if (payloadBytes === 0) return
    const before = this.get(topic)
    if (before === undefined && this.#count >= limits.retainedMessages)
      throw new Refusal('too-many-retained', { limit: limits.retainedMessages, name: 'retainedMessages' })
    const grows = payloadBytes + topic.length - (before === undefined ? 0 : bytesOf(before))
    if (grows > 0 && this.#bytes + grows > limits.retainedBytes) {
      throw new Refusal('too-many-retained', { limit: `${limits.retainedBytes / MiB} MiB`, name: 'retainedBytes' })
    }
  }

  /** Keeps the message for its topic; an empty payload removes what was kept.  5: [MQTT-3.3.1-5], [MQTT-3.3.1-6] */
  set(message: Message): void {
    const words = message.topic.split('/')
    if (message.payload.length === 0) {
      this.#remove(words)
      return
    }
    let level = this.#root
    for (const word of words) {
      level.children ??= new Map()
      let child = level.children.get(word)
      if (child === undefined) {
        child = new Level()
        level.children.set(word, child)
      }
      level = child
    }
    if (level.message === undefined) this.#count++
    else this.#bytes -= bytesOf(level.message)
    level.message = message
    this.#bytes += bytesOf(message)
  }

  get(topic: string): Message | undefined {
    let level: Level | undefined = this.#root
    for (const word of topic.split('/')) {
      level = level.children?.get(word)
      if (level === undefined) return undefined
    }
    return level.message
  }

  /** Every retained message whose topic the filter matches. What has expired by `nowMs` is let go of.  5: [MQTT-3.3.2-5] */
  match(filter: string, nowMs: number): Message[] {
    const found: Message[] = []
    collect(this.#root, filter.split('/'), 0, found)
    const fresh = found.filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    if (fresh.length < found.length) {
      for (const { topic, expiresAtMs } of found) if (expiresAtMs <= nowMs) this.#remove(topic.split('/'))
    }
    return fresh
  }

  #remove(words: readonly string[]): void {
    const path: Level[] = [this.#root]
    for (const word of words) {
      const child = path[path.length - 1]?.children?.get(word)
      if (child === undefined) return
      path.push(child)
    }
    const last = path[path.length - 1] as Level
    if (last.message === undefined) return
    this.#count--
    this.#bytes -= bytesOf(last.message)
    last.message = undefined
    for (let depth = words.length; depth > 0; depth--) {
      const level = path[depth] as Level
      if (level.message !== undefined || level.children?.size) return
      path[depth - 1]?.children?.delete(words[depth - 1] as string)
    }
  }
}

function bytesOf(message: Message): number {
  return message.topic.length + message.payload.length + (message.properties?.length ?? 0)
}

function collect(level: Level, words: readonly string[], depth: number, found: Message[]): void {
  if (depth === words.length) {
    if (level.message !== undefined) found.push(level.message)
    return
  }
  const word = words[depth] as string
  if (word === '#') {
    collectBelow(level, depth === 0, found)
    return
  }
  if (level.children === undefined) return
  if (word === '+') {
    for (const [name, child] of level.children) {
      if (depth === 0 && name.startsWith('$')) continue //  5: [MQTT-4.7.2-1]
      collect(child, words, depth + 1, found)
    }
    return
  }
  const child = level.children.get(word)
  if (child !== undefined) collect(child, words, depth + 1, found)
}

function collectBelow(level: Level, isRoot: boolean, found: Message[]): void {
  if (level.message !== undefined) found.push(level.message)
  for (const [name, child] of level.children ?? []) {
    if (isRoot && name.startsWith('$')) continue
    collectBelow(child, false, found)
  }
}
