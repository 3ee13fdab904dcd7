// Two machines with one client identifier: each takes the session from the other, and comes back when it is taken from it. Told once, with both
// addresses: somebody copied a device with its credentials, or gave one name to two.
import type { Clock } from '../clock.ts'
import { limits } from '../limits.ts'
import { keepNewest } from './oldest.ts'

export interface CloneAlert {
  readonly clientId: string
  readonly owner: string
  readonly addresses: readonly [string, string]
}

/** What is shown of it beside the device. */
export interface ShownAlert extends Pick<CloneAlert, 'clientId' | 'addresses'> {
  /** Of the last take-over, Unix ms. */
  readonly at: number
}

interface Flaps {
  /** Of the last take-over: from whom, to whom. */
  readonly from: string
  readonly to: string
  /** Take-overs in a row that each undid the one before. */
  readonly turns: number
  readonly atMs: number
  readonly toldMs: number
}

/** A device that moves from one network to another, and back, within its day is none. */
const withinMs = 10 * 60_000
/** Take-overs to and fro that are no accident any more. */
const turnsTold = 3
const tellAgainMs = 60 * 60_000

export class Clones {
  readonly #clock: Clock
  readonly #tell: (alert: CloneAlert) => void
  readonly #flaps = new Map<string, Flaps>()
  /** By the device, or by the client identifier of somebody without credentials. */
  readonly #shown = new Map<string, ShownAlert & { readonly endsMs: number }>()

  constructor(clock: Clock, tell: (alert: CloneAlert) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** The session of this client moved from one address to another. */
  takenOver(clientId: string, owner: string, from: string, to: string): void {
    if (from === to) return
    const nowMs = this.#clock.monotonic()
    const before = this.#flaps.get(clientId)
    const isBack = before !== undefined && before.from === to && before.to === from && nowMs - before.atMs < withinMs
    const turns = isBack ? before.turns + 1 : 1
    const toldMs = before?.toldMs ?? Number.NEGATIVE_INFINITY
    const isTold = turns >= turnsTold && nowMs - toldMs >= tellAgainMs
    this.#flaps.delete(clientId)
    this.#flaps.set(clientId, { from, to, turns, atMs: nowMs, toldMs: isTold ? nowMs : toldMs })
    keepNewest(this.#flaps, limits.clonesWatched)
    if (isTold) this.#tell({ clientId, owner, addresses: [from, to] })
    if (turns >= turnsTold) this.#show(deviceOf(clientId, owner), { clientId, addresses: [from, to], at: this.#clock.now() }, nowMs)
  }

  /** Of a device whose session was taken to and fro within the last hour. */
  alertOf(device: string): ShownAlert | undefined {
    const shown = this.#shown.get(device)
    return shown !== undefined && shown.endsMs > this.#clock.monotonic() ? shown : undefined
  }

  #show(device: string, alert: ShownAlert, nowMs: number): void {
    this.#shown.delete(device)
    this.#shown.set(device, { ...alert, endsMs: nowMs + tellAgainMs })
    keepNewest(this.#shown, limits.clonesWatched)
  }
}

/** A device may have several client identifiers, which begin with its id. */
function deviceOf(clientId: string, owner: string): string {
  return owner.startsWith('device/') ? owner.slice('device/'.length) : clientId
}
