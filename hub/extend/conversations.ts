// The book of conversations: which are offered, which run, which are over and how that came.
import type { DeviceId } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Session } from '../session/session.ts'
import type { Speakers } from '../session/speakers.ts'
import { Conversation, type ConversationParts } from './conversation.ts'
import type { ConversationRun } from './extension.ts'
import type { Handler, Handlers } from './handlers.ts'

export interface ConversationsParts extends Omit<ConversationParts, 'unacknowledged'> {
  readonly handlers: Handlers
  readonly speakers: Pick<Speakers, 'of'>
}

interface Offered {
  readonly handler: Handler
  readonly seconds: number
  run: ConversationRun<unknown>
}

/** Who began it, and with what. */
export interface Begun {
  readonly input: unknown
  /** Held in memory for it. */
  readonly inputBytes: number
  readonly by: string
}

/** As operators see it. Times are Unix ms. */
export interface ConversationStatus {
  readonly id: string
  readonly name: string
  readonly extension: string
  readonly device: DeviceId
  readonly state: 'running' | 'done' | 'failed' | 'cancelled'
  readonly by: string
  readonly startedAt: number
  readonly endedAt: number | null
  /** What it waits for. */
  readonly step: string | null
  /** What it returned. */
  readonly result: unknown
  /** Why it ended without. */
  readonly error: string | null
}

interface Kept {
  status: ConversationStatus
  readonly peer: Conversation
  readonly offered: Offered
  readonly inputBytes: number
  /** Ends it, and with which word. */
  cancel(why: Error): void
}

export class Conversations {
  readonly #parts: ConversationsParts & ConversationParts
  readonly #unacknowledged = new Map<number, Conversation>()
  readonly #offered = new Map<string, Offered>()
  readonly #running = new Set<Kept>()
  /** Those that are over, the oldest first. */
  readonly #over = new Map<DeviceId, ConversationStatus[]>()
  #overCount = 0
  #inputBytes = 0
  #lastNumber = 0

  constructor(parts: ConversationsParts) {
    this.#parts = { ...parts, unacknowledged: this.#unacknowledged }
  }

  get running(): number {
    return this.#running.size
  }

  /** Returns what takes it away again, and ends those that run. Errors: for a name that is taken. */
  offer<I>(handler: Handler, name: string, run: ConversationRun<I>, seconds: number): () => void {
    const before = this.#offered.get(name)
    if (before !== undefined) throw new Error(`The extension ${before.handler.extension} has a conversation ${name} already.`)
    if (!(seconds > 0 && seconds <= limits.conversationSeconds))
      throw new Error(`A conversation has 1 to ${limits.conversationSeconds} s (limits.conversationSeconds), not ${seconds}.`)
    const offered: Offered = { handler, seconds, run: run as ConversationRun<unknown> }
    this.#offered.set(name, offered)
    return () => {
      this.#offered.delete(name)
      const why = new Error('the extension was removed, or the hub stops')
      for (const kept of [...this.#running]) if (kept.offered === offered) kept.cancel(why)
    }
  }

  /** Errors: `conversation-unknown`, `conversation-running`, `too-many-conversations`. */
  assertMayBegin(device: DeviceId, name: string, inputBytes: number): Offered {
    const offered = this.#offered.get(name)
    if (offered === undefined) throw unknown(device, name)
    const here = [...this.#running].filter(({ status }) => status.device === device)
    if (here.some(({ status }) => status.name === name)) throw new Refusal('conversation-running', { device, name })
    const full = (limitName: 'conversations' | 'conversationsPerDevice' | 'conversationInputBytesAll') =>
      new Refusal('too-many-conversations', { limitName, limit: limits[limitName] })
    if (here.length >= limits.conversationsPerDevice) throw full('conversationsPerDevice')
    if (this.#running.size >= limits.conversations) throw full('conversations')
    if (this.#inputBytes + inputBytes > limits.conversationInputBytesAll) throw full('conversationInputBytesAll')
    return offered
  }

  /** Begins it and does not wait for its end. Errors: those of `assertMayBegin`. */
  begin(device: DeviceId, name: string, { input, inputBytes, by }: Begun): ConversationStatus {
    const offered = this.assertMayBegin(device, name, inputBytes)
    const { handlers, clock } = this.#parts
    const { handler, seconds, run } = offered
    const peer = new Conversation(device, seconds, this.#parts)
    const { extension } = handler
    const startedAt = clock.now()
    const id = `${startedAt.toString(36)}-${(++this.#lastNumber).toString(36)}`
    const state = 'running'
    let isCancelled = false
    const kept: Kept = {
      status: { id, name, extension, device, state, by, startedAt, endedAt: null, step: null, result: null, error: null },
      ...{ peer, offered, inputBytes },
      cancel: (why) => {
        isCancelled = true
        this.#finish(kept, { state: 'cancelled', error: why.message })
        controller.abort(why) // ends its run, see `Handlers.run`
      },
    }
    const controller = new AbortController()
    this.#running.add(kept)
    this.#inputBytes += inputBytes
    handlers
      .run(handler, seconds, (signal) => run(peer, input, signal), controller.signal)
      .then(
        (result) => this.#finish(kept, { state: 'done', result: shown(result) }),
        (error: unknown) => {
          if (isCancelled) return
          handlers.failed(handler, error, { device, conversation: name })
          this.#finish(kept, { state: 'failed', error: messageOf(error) })
        },
      )
    return this.#statusOf(kept)
  }

  /** Errors: `conversation-unknown`, `conversation-over`. */
  cancel(device: DeviceId, id: string, by: string): ConversationStatus {
    for (const kept of this.#running) {
      if (kept.status.device !== device || kept.status.id !== id) continue
      kept.cancel(new Error(`${by} cancelled it`))
      return kept.status
    }
    const over = this.#over.get(device)?.find((status) => status.id === id)
    if (over === undefined) throw unknown(device, id)
    throw new Refusal('conversation-over', { name: over.name, device, why: over.state })
  }

  /** Those that run, then those that are over, the newest of each first. */
  of(device: DeviceId): ConversationStatus[] {
    const running = [...this.#running].filter(({ status }) => status.device === device).map((kept) => this.#statusOf(kept))
    return [...running.reverse(), ...(this.#over.get(device) ?? []).toReversed()]
  }

  // ── what sessions tell, see `SessionWatcher` ──

  onAcknowledged(session: Session, seq: number): void {
    const byCursor = session.follower !== undefined
    const awaited = byCursor ? [...this.#unacknowledged.values()] : [this.#unacknowledged.get(seq)]
    for (const peer of awaited) if (peer !== undefined && this.#speaks(session, peer)) peer.acknowledged(session, seq)
  }

  onSubscribed(session: Session, filter: string): void {
    for (const peer of new Set(this.#unacknowledged.values())) if (this.#speaks(session, peer)) peer.subscribed(filter)
  }

  /** Its device is deleted. */
  forgetDevice(device: DeviceId): void {
    for (const kept of [...this.#running]) if (kept.status.device === device) kept.cancel(new Error('the device was deleted'))
    this.#overCount -= this.#over.get(device)?.length ?? 0
    this.#over.delete(device)
  }

  #speaks(session: Session, { id }: Conversation): boolean {
    return this.#parts.speakers.of(id).has(session)
  }

  #statusOf({ status, peer }: Kept): ConversationStatus {
    return status.state === 'running' && peer.step !== '' ? { ...status, step: peer.step } : status
  }

  #finish(kept: Kept, end: Pick<ConversationStatus, 'state'> & { readonly result?: unknown; readonly error?: string }): void {
    if (!this.#running.delete(kept)) return
    this.#inputBytes -= kept.inputBytes
    kept.status = { ...kept.status, ...end, endedAt: this.#parts.clock.now() }
    kept.peer.end(new Error(`the conversation is over: ${end.error ?? end.state}`))
    const { device } = kept.status
    const over = this.#over.get(device) ?? []
    this.#over.delete(device) // those of devices that were talked to last are forgotten last
    this.#over.set(device, [...over, kept.status].slice(-limits.conversationsRemembered))
    this.#overCount += (this.#over.get(device)?.length ?? 0) - over.length
    while (this.#overCount > limits.conversationsRememberedAll) {
      const [oldest] = this.#over.keys()
      this.#overCount -= this.#over.get(oldest as DeviceId)?.length ?? 0
      this.#over.delete(oldest as DeviceId)
    }
  }
}

function unknown(device: DeviceId, name: string): Refusal {
  return new Refusal('conversation-unknown', { device, name: JSON.stringify(name.slice(0, 64)) })
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, limits.conversationResultBytes)
}

/** What can be shown of it. */
function shown(result: unknown): unknown {
  try {
    const json = JSON.stringify(result ?? null) ?? 'null'
    return json.length <= limits.conversationResultBytes
      ? (JSON.parse(json) as unknown)
      : `${json.slice(0, limits.conversationResultBytes)} …`
  } catch {
    return String(result).slice(0, limits.conversationResultBytes)
  }
}
