// What a device says and is told, as it goes by: server-sent events, gathered until the screen paints next.
import { batch, signal } from '@preact/signals'
import { tailAddress } from '../../api/twin.ts'

export interface TailMessage {
  /** Counts up: a key for its row. */
  readonly number: number
  readonly topic: string
  readonly at: number
  /** One of the three: JSON, other text, bytes. */
  readonly payload?: unknown
  readonly text?: string
  readonly base64?: string
}

export type TailState = 'connecting' | 'live' | 'lost' | 'refused'

export const messagesMax = 200
/** Of all that is kept, as JSON text: two hundred of the longest payloads would be 50 MB. */
const charactersMax = 2_000_000
const lastAtFirst = 50
/** A state or an event: what else the page shows has changed with it. */
const tells = /^\{"is":"message","topic":"[^"]*\/(?:state|events)\//

export class Tail {
  /** The newest first. */
  readonly messages = signal<readonly TailMessage[]>([])
  readonly state = signal<TailState>('connecting')
  readonly isPaused = signal(false)
  /** What went by while it was paused. */
  readonly passed = signal(0)
  readonly #deviceId: string
  readonly #listeners = new Set<(topic: string) => void>()
  #source: EventSource | null = null
  #arrived: string[] = []
  #arrivedCharacters = 0
  #numbered = 0
  #request = 0
  #seen = new Set<string>()

  constructor(deviceId: string) {
    this.#deviceId = deviceId
  }

  /** Begins anew with the newest messages. Returns what ends it. */
  open(): () => void {
    const source = new EventSource(tailAddress(this.#deviceId, lastAtFirst))
    this.#source = source
    let isFirst = true
    source.addEventListener('welcome', () => {
      this.state.value = 'live'
      if (!isFirst || this.isPaused.peek()) return // the browser came back by itself, and goes on where it was
      isFirst = false
      this.messages.value = []
      this.#seen.clear()
    })
    source.onmessage = (event: MessageEvent<string>) => this.#onMessage(event.data)
    source.onerror = () => {
      this.state.value = source.readyState === EventSource.CLOSED ? 'refused' : 'lost'
    }
    return () => {
      source.close()
      if (this.#source === source) this.#source = null
    }
  }

  /** Told the topic of each state and event that goes by. Returns what ends it. */
  onMessage(listener: (topic: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  pause(): void {
    this.isPaused.value = true
  }

  goOn(): void {
    batch(() => {
      this.isPaused.value = false
      this.passed.value = 0
    })
    this.#paintSoon()
  }

  #onMessage(json: string): void {
    this.#arrived.push(json)
    this.#arrivedCharacters += json.length
    // Nobody can read what would leave again with the same paint.
    while (this.#arrived.length > messagesMax || this.#arrivedCharacters > charactersMax) {
      if (this.#arrived.length === 1) break
      this.#arrivedCharacters -= this.#arrived.shift()!.length
    }
    if (this.isPaused.peek()) this.passed.value += 1
    if (tells.test(json)) this.#tell(json)
    this.#paintSoon()
  }

  #tell(json: string): void {
    const { topic } = JSON.parse(json) as TailMessage
    for (const listener of this.#listeners) listener(topic)
  }

  #paintSoon(): void {
    if (this.#request !== 0 || this.isPaused.peek()) return
    this.#request = requestAnimationFrame(() => {
      this.#request = 0
      if (!this.isPaused.peek()) this.#take()
    })
  }

  #take(): void {
    const arrived = this.#arrived
    this.#arrived = []
    this.#arrivedCharacters = 0
    const fresh: TailMessage[] = []
    for (const json of arrived) {
      const message = JSON.parse(json) as Omit<TailMessage, 'number'> & { readonly cursor?: string }
      // The history that comes first and what is live may meet in one message.
      if (message.cursor !== undefined) {
        if (this.#seen.has(message.cursor)) continue
        this.#seen.add(message.cursor)
      }
      fresh.unshift({ ...message, number: ++this.#numbered })
    }
    if (this.#seen.size > 4 * messagesMax) this.#seen = new Set([...this.#seen].slice(-messagesMax))
    this.messages.value = [...fresh, ...this.messages.peek()].slice(0, messagesMax)
  }
}
