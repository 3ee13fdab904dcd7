// The last retained message of each topic, kept in a tree so that a filter finds its topics without looking at all of them.
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { limits, MiB } from '../limits.ts'
import { Level } from './level.ts'

export class Retained {
  readonly #root = new Level<Message>()
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
    for (const word of words) level = level.grow(word)
    if (level.value === undefined) this.#count++
    else this.#bytes -= bytesOf(level.value)
    level.value = message
    this.#bytes += bytesOf(message)
  }

  get(topic: string): Message | undefined {
    return this.#root.find(topic.split('/'))?.value
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

  /** Removes every retained message whose topic begins with this, which ends with a slash. */
  removeBelow(prefix: string): void {
    const found: Message[] = []
    const words = prefix.split('/')
    const level = this.#root.find(words.slice(0, -1))
    if (level === undefined) return
    for (const [, child] of level.below()) collectBelow(child, false, found)
    for (const { topic } of found) this.#remove(topic.split('/'))
  }

  #remove(words: readonly string[]): void {
    const level = this.#root.find(words)
    if (level?.value === undefined) return
    this.#count--
    this.#bytes -= bytesOf(level.value)
    level.value = undefined
    this.#root.prune(words)
  }
}

function bytesOf(message: Message): number {
  return message.topic.length + message.payload.length + (message.properties?.length ?? 0)
}

function collect(level: Level<Message>, words: readonly string[], depth: number, found: Message[]): void {
  if (depth === words.length) {
    if (level.value !== undefined) found.push(level.value)
    return
  }
  const word = words[depth] as string
  if (word === '#') {
    collectBelow(level, depth === 0, found)
    return
  }
  if (word === '+') {
    for (const [name, child] of level.below()) {
      if (depth === 0 && name.startsWith('$')) continue //  5: [MQTT-4.7.2-1]
      collect(child, words, depth + 1, found)
    }
    return
  }
  const child = level.get(word)
  if (child !== undefined) collect(child, words, depth + 1, found)
}

function collectBelow(level: Level<Message>, isRoot: boolean, found: Message[]): void {
  if (level.value !== undefined) found.push(level.value)
  for (const [name, child] of level.below()) {
    if (isRoot && name.startsWith('$')) continue
    collectBelow(child, false, found)
  }
}
