// The topic aliases of one connection, hub to client: MQTT 5 section 3.3.2.3.4.
//
// A topic gets an alias when it comes a second time: the first PUBLISH is as for everyone, the second carries topic and alias, each later one
// the alias alone. Who comes first keeps its alias until the connection ends; when none is left, topics are sent in full. So a client that
// hears a thousand topics in turn gains little, and one with a few busy ones saves the topic's bytes less three on every message.
import { limits } from '../limits.ts'

/** What a topic is to one client. `introduces`: the client has not heard of this alias yet. */
export interface TopicAlias {
  readonly number: number
  readonly introduces: boolean
}

/** An alias costs three bytes of properties, and one more where their length needs a second byte. */
const topicLengthMin = 8
/** Up to here an alias saves enough to have bytes of one's own: larger messages are shared with the other subscribers. */
const payloadBytesMax = 1024

export class TopicAliases {
  readonly #max: number
  /** Topics with an alias. */
  readonly #known = new Map<string, TopicAlias>()
  /** Topics that came once; forgotten together when they are as many as there are aliases. */
  readonly #once = new Set<string>()

  /** `announced` is the client's Topic Alias Maximum: no alias is above it.  5: [MQTT-3.1.2-26] */
  constructor(announced: number) {
    this.#max = Math.min(announced, limits.topicAliases)
  }

  /** The alias to send this message with; undefined to send it in full. An alias that `introduces` holds once `introduced` is called. */
  aliasFor(topic: string, payloadBytes: number): TopicAlias | undefined {
    const known = this.#known.get(topic)
    if (known !== undefined) return payloadBytes > payloadBytesMax ? undefined : known
    if (this.#known.size === this.#max || topic.length < topicLengthMin || payloadBytes > payloadBytesMax) return undefined
    if (this.#once.has(topic)) return { number: this.#known.size + 1, introduces: true }
    if (this.#once.size === this.#max) this.#once.clear()
    this.#once.add(topic)
    return undefined
  }

  /** The packet with the topic and its new alias is on its way. */
  introduced(topic: string, { number }: TopicAlias): void {
    this.#once.delete(topic)
    this.#known.set(topic, { number, introduces: false })
    if (this.#known.size === this.#max) this.#once.clear() // there is nothing left to wait for
  }
}
