// What the tests ask of a client, whichever program or library it is.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Version, WireName } from '../../kit/mqtt.ts'
import type { Cable } from './cable.ts'

export type QoS = 0 | 1 | 2

export interface Heard {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: number
  readonly retain: boolean
}

export interface Opening {
  readonly clientId: string
  readonly version: Version
  /** Its session outlives the connection, and is continued. */
  readonly lasting?: boolean
  readonly will?: { readonly topic: string; readonly payload: string; readonly qos: QoS; readonly retain: boolean }
}

export interface Saying {
  readonly topic: string
  /** One message each, as fast as the client sends them. */
  readonly payloads: readonly Buffer[]
  readonly qos: QoS
  readonly retain?: boolean
}

/** A client that has subscribed. */
export interface Listener {
  readonly sessionPresent: boolean
  next(): Promise<Heard>
  /** Says goodbye. */
  leave(): Promise<void>
  /** After its connection broke: connects again, and tells whether its session was there. */
  comeBack(): Promise<boolean>
}

/** A client that is connected and takes orders: every library, but no program of a command line. */
export interface Peer extends Listener {
  subscribe(filter: string, qos: QoS): Promise<void>
  /** Settles when the hub has answered for all of them. Lasts over `comeBack`. */
  publish(saying: Saying): Promise<void>
}

export interface RealClient {
  readonly name: string
  readonly versions: readonly Version[]
  readonly wires: readonly WireName[]
  /** Versions in which its goodbye says 0x04, Disconnect with Will Message. */
  readonly goodbyeAsksForWill: readonly Version[]
  listen(t: TestContext, cable: Cable, opening: Opening, filter: string, qos: QoS): Promise<Listener>
  /** On a connection of its own, which is over when this settles. */
  publish(t: TestContext, cable: Cable, opening: Opening, saying: Saying): Promise<void>
  readonly open?: (t: TestContext, cable: Cable, opening: Opening) => Promise<Peer>
}

/** A library as a client: both of its duties are those of a connected peer. */
export function libraryClient(about: Pick<RealClient, 'name' | 'versions' | 'wires'>, open: NonNullable<RealClient['open']>): RealClient {
  return {
    ...about,
    open,
    goodbyeAsksForWill: [],
    async listen(t, cable, opening, filter, qos) {
      const peer = await open(t, cable, opening)
      await peer.subscribe(filter, qos)
      return peer
    },
    async publish(t, cable, opening, saying) {
      const peer = await open(t, cable, opening)
      await peer.publish(saying)
      await peer.leave()
    },
  }
}

const waitMs = 5000

/** What came and was not yet asked for, or who asked and has not yet been given anything. */
export class Inbox<T> {
  readonly #what: string
  readonly #arrived: T[] = []
  readonly #waiting: ((one: T) => void)[] = []

  constructor(what: string) {
    this.#what = what
  }

  put(one: T): void {
    const take = this.#waiting.shift()
    if (take === undefined) this.#arrived.push(one)
    else take(one)
  }

  next(): Promise<T> {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift() as T)
    return within(this.#what, new Promise((resolve) => this.#waiting.push(resolve)))
  }
}

/** Every wait for someone else's program has an end. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${waitMs} ms passed without ${what}` })), waitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
