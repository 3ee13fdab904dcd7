// Brings a client from a place in the journal to now, at the pace of its wire: reads what it missed, looks again, and joins what happens
// live where the last look ends. Nothing is left out between the two and nothing comes twice, so nobody has to keep a queue for the client.
import type { Message } from '../../devices/message.ts'
import { limits } from '../limits.ts'
import type { Journal, PastPage, Store, Waiter } from '../store/store.ts'

/** What catching up asks of the store. */
export interface PastStore extends Pick<Store, 'past' | 'durability'> {
  readonly journal: Pick<Journal, 'after' | 'newestMessageSeq' | 'storedSeq'>
}

/** Who is brought up to date. */
export interface CatchUpTarget {
  /** What it wants; without share names. Asked for each look. */
  readonly filters: readonly string[]
  /** It takes more now. */
  readonly writable: boolean
  take(message: Message): void
  /** What lies behind `askedSeq`, up to `trimmedSeq`, is not in the journal any more. */
  missed(askedSeq: number, trimmedSeq: number): void
  /** There is no more to read: what comes is live, or `untilSeq` is reached. */
  caughtUp(): void
  failed(error: Error): void
}

/** What came live while a look was under way, all of it newer than the horizon of the look; undefined once it was too much. */
interface Ahead {
  messages: Message[] | undefined
  bytes: number
}

type State = 'paused' | 'looking' | 'joined'

/** How long a look waits for messages that are not yet where it sees them: in `memory` durability they are delivered before. */
const lookAgainMs = 5

export class CatchUp implements Waiter {
  readonly #store: PastStore
  readonly #target: CatchUpTarget
  /** Where it ends, for a history that something else follows; Infinity for one that goes on live. */
  readonly #untilSeq: number
  #position: number
  #state: State = 'paused'
  /** Tells a look from one that was given up. */
  #look = 0
  #horizon = 0
  #ahead: Ahead | undefined = undefined

  constructor(store: PastStore, target: CatchUpTarget, afterSeq: number, untilSeq = Number.POSITIVE_INFINITY) {
    this.#store = store
    this.#target = target
    this.#position = afterSeq
    this.#untilSeq = untilSeq
  }

  /** Everything that matches up to here was handed over. */
  get position(): number {
    return this.#position
  }

  /** What happens is handed over as it happens. */
  get isLive(): boolean {
    return this.#state === 'joined'
  }

  /** A message with a place in the journal comes live. One that is not taken now lies in the journal and is read from there. */
  offer(message: Message): void {
    const { seq } = message
    if (this.#state === 'looking') this.#keep(message)
    else if (this.#state === 'joined' && seq > this.#position) {
      if (this.#target.writable) this.#hand(message)
      else {
        this.#position = seq - 1 // all before it was handed over
        this.#state = 'paused'
      }
    }
  }

  /** The target takes more. */
  go(): void {
    if (this.#state === 'paused' && this.#target.writable) this.#begin()
  }

  /** Nobody reads any more for now. */
  pause(): void {
    this.#look++
    this.#ahead = undefined
    this.#state = 'paused'
  }

  /** Goes on from there. Whoever is live and has seen that much, or more, stays live. */
  seek(seq: number): void {
    if (this.#state !== 'joined' || seq < this.#position) this.pause()
    this.#position = seq
  }

  #begin(): void {
    const { newestMessageSeq } = this.#store.journal
    this.#horizon = Math.min(newestMessageSeq, this.#untilSeq)
    if (this.#position >= this.#horizon || this.#target.filters.length === 0) {
      this.#position = Math.max(this.#position, this.#horizon)
      this.#join([])
      return
    }
    this.#state = 'looking'
    this.#ahead = { messages: [], bytes: 0 }
    this.#look++
    this.#store.journal.after(this, this.#look)
  }

  /** All up to the horizon is on disk, where a look sees it; or, in `memory` durability, on its way there. */
  stored(look: number): void {
    if (look !== this.#look || this.#state !== 'looking') return
    const { durability, journal } = this.#store
    if (durability !== 'memory' || journal.storedSeq >= this.#horizon) this.#read(look)
    else setTimeout(() => this.stored(look), lookAgainMs).unref()
  }

  /** What could not be stored nobody is owed; the rest is there. */
  failed(look: number): void {
    if (look === this.#look && this.#state === 'looking') this.#read(look)
  }

  #read(look: number): void {
    const query = { filters: this.#target.filters, afterSeq: this.#position, toSeq: this.#horizon }
    this.#store.past(query).then(
      (page) => this.#onPage(look, page),
      (error: Error) => {
        if (look !== this.#look) return
        this.pause()
        this.#target.failed(error)
      },
    )
  }

  #onPage(look: number, { messages, toSeq, trimmedSeq }: PastPage): void {
    if (look !== this.#look) return
    if (trimmedSeq > this.#position) this.#target.missed(this.#position, trimmedSeq)
    this.#position = Math.max(this.#position, toSeq)
    for (const message of messages) this.#target.take(message)
    if (look !== this.#look) return // the target was closed by what it took
    const ahead = this.#ahead?.messages
    if (this.#position < this.#horizon || ahead === undefined) {
      this.pause()
      this.go()
    } else this.#join(ahead)
  }

  /** What came ahead may be more than the target takes now: then it is not caught up, and the rest is read later. */
  #join(ahead: readonly Message[]): void {
    this.#ahead = undefined
    this.#state = 'joined'
    for (const message of ahead) this.offer(message)
    if (this.isLive) this.#target.caughtUp()
  }

  #keep(message: Message): void {
    const ahead = this.#ahead as Ahead
    if (message.seq <= this.#horizon || ahead.messages === undefined) return
    ahead.bytes += message.payload.length
    if (ahead.messages.length >= limits.aheadMessages || ahead.bytes > limits.historyPageBytes) ahead.messages = undefined
    else ahead.messages.push(message)
  }

  #hand(message: Message): void {
    this.#position = message.seq
    this.#target.take(message)
  }
}
