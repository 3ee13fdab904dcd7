// All that is known of a topic name, so that publishers of one topic share it.
import type { Dialect } from '../../devices/dialects/dialect.ts'
import type { Meaning } from '../../devices/topics.ts'
import type { Match, TopicTree } from './topic-tree.ts'

/** Connections remember the one they used last: a device sends the same topic again and again. */
export class Route {
  readonly topic: string
  readonly bytes: Buffer
  readonly meaning: Meaning
  /** The store reads what is published there, and can refuse it before the commit: see `Publication.checked`. */
  readonly isRead: boolean
  #matches: readonly Match[] = []
  #matchesVersion = 0
  /** Messages at QoS 0 that wait for their commit: one that need not be kept may not overtake them.  5: [MQTT-4.6.0-5]  3.1.1: [MQTT-4.6.0-6] */
  waitingQoS0 = 0

  /** In the words of this dialect. */
  constructor(topic: string, dialect: Dialect) {
    this.topic = topic
    this.bytes = Buffer.from(topic)
    this.meaning = dialect.meaningOf(topic)
    this.isRead = this.meaning.is === 'telemetry' || this.meaning.is === 'reported'
  }

  matches(tree: TopicTree): readonly Match[] {
    if (this.#matchesVersion !== tree.version) {
      this.#matches = tree.match(this.topic)
      this.#matchesVersion = tree.version
    }
    return this.#matches
  }
}
