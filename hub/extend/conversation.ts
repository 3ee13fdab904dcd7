// One conversation with a device: what the hub says until it is acknowledged, what the device says until somebody asks for it.
import type { DeviceId } from '../../devices/device.ts'
import { expiringIn, type Message } from '../../devices/message.ts'
import { TopicFilters } from '../../devices/topic-filter.ts'
import { meaningOf } from '../../devices/topics.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { assertPayloadFits } from '../routing/payload.ts'
import type { Router } from '../routing/router.ts'
import { topicNameProblem } from '../routing/topic-names.ts'
import type { Subscriber, Subscription } from '../routing/topic-tree.ts'
import { Session } from '../session/session.ts'
import type { Journal } from '../store/store.ts'
import type { Timed, Wheel } from '../wheel.ts'
import type { Peer } from './extension.ts'
import { asHub } from './handlers.ts'
import { jsonOrText } from './hooks.ts'

export interface ConversationParts {
  readonly router: Router
  readonly journal: Journal
  readonly wheel: Wheel
  readonly clock: Clock
  /** Who waits for the acknowledgement of which number: one of thousands is found at once. */
  readonly unacknowledged: Map<number, Conversation>
  /** Whether this session speaks for the device, connected or not. */
  speaksFor(session: Session, device: DeviceId): boolean
}

/** Something the hub has said and the device has not acknowledged. */
interface Said {
  seq: number
  readonly topic: string
  readonly payload: string | Uint8Array
  /** Sessions that got it or are owed it; undefined until it is on disk. */
  owing: readonly Session[] | undefined
  readonly wait: Wait<void>
}

interface Asked {
  readonly topic: string
  readonly wait: Wait<unknown>
}

export class Conversation implements Peer, Subscriber {
  readonly id: DeviceId
  readonly clientId = undefined
  readonly #parts: ConversationParts
  readonly #untilMs: number
  readonly #subscription: Subscription
  readonly #said = new Set<Said>()
  readonly #asked = new Set<Asked>()
  /** What came and nobody has asked for, the oldest first. */
  #mail: Message[] = []
  #mailBytes = 0
  /** Why it is over. */
  #over: Error | undefined = undefined
  /** What it waits for, as people read it. */
  step = ''

  constructor(id: DeviceId, seconds: number, parts: ConversationParts) {
    this.id = id
    this.#parts = parts
    this.#untilMs = parts.clock.monotonic() + seconds * 1000
    this.#subscription = {
      ...{ filter: `devices/${id}/#`, subscriber: this, qos: 1, noLocal: false, retainAsPublished: false, identifiers: undefined },
    }
    parts.router.tree.add(this.#subscription)
  }

  async send(name: string, payload: unknown, options: { readonly withinSeconds?: number } = {}): Promise<void> {
    this.#assertOpen()
    const topic = this.#topicOf(name)
    const bytes = typeof payload === 'string' || payload instanceof Uint8Array ? payload : JSON.stringify(payload)
    assertPayloadFits(Buffer.byteLength(bytes))
    const leftSeconds = Math.max(1, (this.#untilMs - this.#parts.clock.monotonic()) / 1000)
    const seconds = Math.min(options.withinSeconds ?? leftSeconds, leftSeconds)
    this.step = `waits for ${name} to be acknowledged`
    await new Promise<void>((resolve, reject) => {
      const silent = () =>
        new Refusal('device-silent', { device: this.id, what: `did not acknowledge ${name}`, seconds: Math.round(seconds) })
      const forget = () => {
        this.#said.delete(said)
        this.#parts.unacknowledged.delete(said.seq)
      }
      const said: Said = { seq: 0, topic, payload: bytes, owing: undefined, wait: new Wait(this.#parts.wheel, resolve, reject, forget) }
      this.#said.add(said)
      asHub(() => {
        said.wait.begin(seconds, silent)
        this.#say(said)
      })
    })
  }

  async next<T>(name: string, { withinSeconds }: { readonly withinSeconds: number }): Promise<T> {
    this.#assertOpen()
    const topic = this.#topicOf(name)
    const at = this.#mail.findIndex((message) => message.topic === topic)
    if (at !== -1) return jsonOrText(this.#takeMail(at).payload) as T
    this.step = `waits for ${name}`
    return new Promise<unknown>((resolve, reject) => {
      const silent = () => new Refusal('device-silent', { device: this.id, what: `did not send ${name}`, seconds: withinSeconds })
      const asked: Asked = { topic, wait: new Wait(this.#parts.wheel, resolve, reject, () => this.#asked.delete(asked)) }
      this.#asked.add(asked)
      asked.wait.begin(withinSeconds, silent)
    }) as Promise<T>
  }

  // ── what happens meanwhile ──

  /** Of the tree: something was published below the device. */
  deliver(message: Message): void {
    for (const said of this.#said) {
      if (said.seq === message.seq) {
        said.owing = this.#sessionsThatGet(message.topic)
        return
      }
    }
    for (const asked of this.#asked) {
      if (asked.topic === message.topic) {
        asked.wait.resolve(jsonOrText(message.payload))
        return
      }
    }
    const { is } = meaningOf(message.topic)
    if ((is !== 'device' && is !== 'event') || message.payload.length > limits.conversationMessageBytes) return // readings are many, and asked for elsewhere
    this.#mail.push(message)
    this.#mailBytes += message.payload.length
    while (this.#mail.length > limits.conversationMessages || this.#mailBytes > limits.conversationMessageBytes) this.#takeMail(0)
  }

  /** One that goes by cursor has acknowledged all up to there. */
  acknowledged(session: Session, seq: number): void {
    const byCursor = session.follower !== undefined
    for (const said of this.#said) {
      if (byCursor ? said.seq <= seq && said.owing?.includes(session) === true : said.seq === seq) said.wait.resolve(undefined)
    }
  }

  /** A device that came back with a new session is owed nothing of what the old one was: it is said again. */
  subscribed(filter: string): void {
    const filters = new TopicFilters([filter])
    for (const said of this.#said) {
      const isOwed = said.owing === undefined || said.owing.some(({ presence }) => presence.at !== 'ended')
      if (!isOwed && filters.matches(said.topic)) this.#say(said)
    }
  }

  end(why: Error): void {
    if (this.#over !== undefined) return
    this.#over = why
    this.step = ''
    this.#parts.router.tree.remove(this.#subscription)
    for (const { wait } of [...this.#said, ...this.#asked]) wait.reject(why)
    this.#mail = []
    this.#mailBytes = 0
  }

  #say(said: Said): void {
    const { router, journal, clock, unacknowledged } = this.#parts
    const leftSeconds = Math.ceil((this.#untilMs - clock.monotonic()) / 1000)
    said.owing = undefined
    unacknowledged.delete(said.seq)
    try {
      said.seq = router.say(said.topic, said.payload, expiringIn(Math.max(1, leftSeconds)))
    } catch (error) {
      said.wait.reject(error)
      return
    }
    unacknowledged.set(said.seq, this)
    journal.after({ stored: () => {}, failed: (_, why) => said.wait.reject(why) }, 0)
  }

  #sessionsThatGet(topic: string): Session[] {
    const { router, speaksFor } = this.#parts
    const sessions = router
      .routeOf(topic)
      .matches(router.tree)
      .map(({ subscriber }) => subscriber)
    return sessions.filter((one) => one instanceof Session).filter((session) => speaksFor(session, this.id))
  }

  #takeMail(at: number): Message {
    const [message] = this.#mail.splice(at, 1)
    this.#mailBytes -= (message as Message).payload.length
    return message as Message
  }

  #assertOpen(): void {
    if (this.#over !== undefined) throw this.#over
  }

  /** A whole topic of the device is taken as well. Errors: for what is no topic name. */
  #topicOf(name: string): string {
    const below = `devices/${this.id}/`
    const topic = name.startsWith(below) ? name : below + name
    const problem = topicNameProblem(topic)
    if (problem !== undefined) throw new Error(`${JSON.stringify(name)} is no topic below ${below}: ${problem}.`)
    return topic
  }
}

/** One promise with an end in time. */
class Wait<T> implements Timed {
  readonly #wheel: Wheel
  readonly #resolve: (value: T) => void
  readonly #reject: (why: unknown) => void
  readonly #onOver: () => void
  #late: () => Error = () => new Error()
  dueTick = 0

  constructor(wheel: Wheel, resolve: (value: T) => void, reject: (why: unknown) => void, onOver: () => void) {
    this.#wheel = wheel
    this.#resolve = resolve
    this.#reject = reject
    this.#onOver = onOver
  }

  begin(seconds: number, late: () => Error): void {
    this.#late = late
    this.#wheel.arm(this, seconds)
  }

  onDue(): void {
    this.reject(this.#late())
  }

  resolve(value: T): void {
    this.#over()
    this.#resolve(value)
  }

  reject(why: unknown): void {
    this.#over()
    this.#reject(why)
  }

  #over(): void {
    this.#wheel.disarm(this)
    this.#onOver()
  }
}
