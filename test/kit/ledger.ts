// What was published and who got it, over any number of hubs that died: every delivery is checked as it comes, and `missing` tells what has
// not come. A stream is one topic at one QoS: of one publisher, numbered from 0.

/** The payload of a message; readable as telemetry, too. */
interface Numbered {
  readonly n: number
  readonly qos: 1 | 2
}

export class Ledger {
  /** Messages per stream. */
  readonly sent = new Map<string, number>()
  messages = 0

  /** The payload of the next message of the stream. */
  next(topic: string, qos: 1 | 2): string {
    const stream = `${topic} at QoS ${qos}`
    const n = this.sent.get(stream) ?? 0
    this.sent.set(stream, n + 1)
    this.messages++
    return JSON.stringify({ n, qos } satisfies Numbered)
  }
}

/** What one subscriber, or one shared group, has got. */
export class Receipts {
  readonly #name: string
  readonly #ledger: Ledger
  readonly #qos: 1 | 2
  readonly #isGroup: boolean
  readonly #wants: (stream: string) => boolean
  readonly #fault: (sentence: string) => void
  /** How often each number came, by stream. */
  readonly #counts = new Map<string, number[]>()
  /** The newest number that came first, by subscriber and stream. */
  readonly #newest = new Map<string, number>()
  deliveries = 0
  /** Of messages at QoS 1, which may come again. */
  duplicates = 0

  constructor(
    name: string,
    ledger: Ledger,
    { qos, isGroup = false }: { readonly qos: 1 | 2; readonly isGroup?: boolean },
    wants: (stream: string) => boolean,
    fault: (sentence: string) => void,
  ) {
    this.#name = name
    this.#ledger = ledger
    this.#qos = qos
    this.#isGroup = isGroup
    this.#wants = wants
    this.#fault = fault
  }

  /**
   * `by` got it; 5: [MQTT-4.6.0-5], [MQTT-4.6.0-6], 3.1.1: [MQTT-4.6.0-6]. A group has no order of its own. At QoS 1 its members have none
   * either: what one was sent and the disk did not know goes to any of them after the crash.
   */
  take(by: string, topic: string, payload: string): void {
    const { n, qos } = JSON.parse(payload) as Numbered
    const stream = `${topic} at QoS ${qos}`
    if (!this.#wants(stream) || n >= (this.#ledger.sent.get(stream) ?? 0)) this.#fault(`${by} got ${stream}, ${n}: nobody sent it`)
    this.deliveries++
    const counts = this.#counts.get(stream) ?? []
    this.#counts.set(stream, counts)
    counts[n] = (counts[n] ?? 0) + 1
    if (counts[n] > 1) {
      if (qos === 2 && this.#qos === 2) this.#fault(`${by} got ${stream}, ${n} again`)
      this.duplicates++
      return
    }
    const newest = this.#newest.get(`${by} ${stream}`) ?? -1
    const isOrdered = !this.#isGroup || (qos === 2 && this.#qos === 2)
    if (isOrdered && n < newest) this.#fault(`${by} got ${stream}, ${n} after ${newest}`)
    this.#newest.set(`${by} ${stream}`, n)
  }

  /** What was sent and has not come. */
  missing(): string[] {
    const missing: string[] = []
    for (const [stream, count] of this.#ledger.sent) {
      if (!this.#wants(stream)) continue
      const counts = this.#counts.get(stream) ?? []
      for (let n = 0; n < count; n++) if (counts[n] === undefined) missing.push(`${this.#name} lacks ${stream}, ${n}`)
    }
    return missing
  }
}
