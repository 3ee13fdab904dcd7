// The tail of a topic filter: the newest messages, kept within bounds; it comes back by itself and rests while the tab is hidden.
import { batch, signal } from '@preact/signals'
import { follow, loadRetained, retainedPage } from './api/messages.ts'
import { Problem } from './api.ts'
import { backoffMs } from './live.ts'
import { type Heard, heardIn } from './message.ts'
import { TopicTree } from './topic-tree.ts'

export type TailState =
  | { readonly is: 'connecting' }
  | { readonly is: 'live' }
  | { readonly is: 'lost'; readonly sinceMs: number }
  /** The hub does not follow this filter. */
  | { readonly is: 'refused'; readonly problem: Problem }

/** Messages that are kept … */
export const keptMax = 1_000
/** … and the letters of their payloads. */
const keptLettersMax = 4 * 1024 * 1024
const historyCount = 200
/** The list is made anew this often at most, however many messages come. */
const showEveryMs = 100
/** What brightened is calm again after this. */
export const brightMs = 600

export class Tail {
  readonly state = signal<TailState>({ is: 'connecting' })
  /** The newest first; stands still while paused. */
  readonly shown = signal<readonly Heard[]>([])
  readonly paused = signal(false)
  /** How many came since it was paused. */
  readonly passed = signal(0)
  /** Messages a second. */
  readonly rate = signal(0)
  /** Counts up whenever the tree has to be drawn again. */
  readonly version = signal(0)
  readonly tree = new TopicTree()
  /** Topics that had something retained when the tail began, and when that came. */
  readonly retained = new Map<string, number>()
  #kept: Heard[] = []
  #letters = 0
  #heard = 0
  #fresh = 0
  #passed = 0
  #newestPlace = -1
  #historyUntilMs = Number.POSITIVE_INFINITY
  #shownMs = 0
  #timer = 0
  #abort = new AbortController()

  /** Returns what ends it. */
  start(filter: string): () => void {
    this.#kept = []
    this.#letters = 0
    this.#newestPlace = -1
    this.#fresh = 0
    this.#passed = 0
    this.tree.clear()
    this.retained.clear()
    batch(() => {
      this.state.value = { is: 'connecting' }
      this.shown.value = []
      this.passed.value = 0
      this.rate.value = 0
    })
    const onVisibility = () => {
      this.#abort.abort()
      if (!document.hidden) void this.#run(filter)
    }
    document.addEventListener('visibilitychange', onVisibility)
    const ticking = setInterval(() => this.#tick(), 1_000)
    onVisibility()
    return () => {
      document.removeEventListener('visibilitychange', onVisibility)
      clearInterval(ticking)
      clearTimeout(this.#timer)
      this.#timer = 0
      this.#abort.abort()
    }
  }

  pause(on: boolean): void {
    this.#passed = 0
    this.paused.value = on
    this.#show()
  }

  /** The message of the same topic before this one, as far as it is kept. */
  before({ topic, n }: Heard): Heard | undefined {
    return this.#kept.findLast((one) => one.topic === topic && one.n < n)
  }

  async #run(filter: string): Promise<void> {
    this.#abort = new AbortController()
    const { signal } = this.#abort
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        this.#historyUntilMs = Number.POSITIVE_INFINITY
        const listener = {
          onWelcome: (now: number) => {
            attempt = 0
            this.#historyUntilMs = now
            this.state.value = { is: 'live' }
            void this.#readRetained(filter, signal)
            this.#offer()
          },
          onMessage: (frame: string) => this.#onMessage(frame),
        }
        await follow(filter, historyCount, listener, signal)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Problem)) throw error
        if (error.code !== 'unreachable') {
          this.state.value = { is: 'refused', problem: error }
          return
        }
      }
      if (this.state.peek().is !== 'lost') this.state.value = { is: 'lost', sinceMs: Date.now() }
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt, Math.random())))
    }
  }

  async #readRetained(filter: string, signal: AbortSignal): Promise<void> {
    try {
      const { messages } = await loadRetained(filter, undefined, retainedPage, signal)
      for (const { topic, at } of messages) {
        this.retained.set(topic, at)
        this.tree.retain(topic)
      }
      this.#offer()
    } catch (error) {
      if (!(error instanceof Problem) && !signal.aborted) throw error // without it the tree holds what is heard
    }
  }

  #onMessage(frame: string): void {
    const heard = heardIn(frame, ++this.#heard)
    if (heard.place !== null) {
      if (heard.place <= this.#newestPlace && heard.at < this.#historyUntilMs) return // heard before the wire broke
      this.#newestPlace = heard.place
    }
    const isLive = heard.at >= this.#historyUntilMs
    this.#kept.push(heard)
    this.#letters += heard.body.length
    while (this.#kept.length > keptMax || (this.#letters > keptLettersMax && this.#kept.length > 1)) {
      this.#letters -= this.#kept.shift()!.body.length
    }
    this.tree.hear(heard.topic, performance.now(), isLive)
    if (isLive) this.#fresh++
    if (this.paused.peek()) this.#passed++
    this.#offer()
  }

  /** At most one list every `showEveryMs`, in an animation frame; and once more when what brightened is calm. */
  #offer(): void {
    if (this.#timer !== 0) return
    const waitMs = Math.max(0, this.#shownMs + showEveryMs - performance.now())
    this.#timer = window.setTimeout(() => requestAnimationFrame(() => this.#show()), waitMs)
  }

  #show(): void {
    clearTimeout(this.#timer)
    this.#timer = 0
    this.#shownMs = performance.now()
    batch(() => {
      if (!this.paused.peek()) this.shown.value = this.#kept.toReversed()
      this.passed.value = this.#passed
      this.version.value++
    })
  }

  #tick(): void {
    this.tree.tick(1)
    this.rate.value = this.rate.peek() * 0.6 + this.#fresh * 0.4
    if (this.rate.peek() < 0.05) this.rate.value = 0
    this.#fresh = 0
    if (!document.hidden) this.version.value++
  }
}
