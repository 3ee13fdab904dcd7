// The session log on the event loop: turns what happens to sessions into frames of the journal.
import type { Will } from '../../../devices/will.ts'
import type { Owed, SessionLog, StoredSubscription } from '../store.ts'
import { encodeOwed, encodePlace, encodeSubscribed, factKinds, type LeftFact, type OpenedFact, placeBytes, willToJson } from './fact.ts'
import type { SqliteJournal } from './journal.ts'

const none = Buffer.alloc(0)

export class SqliteSessionLog implements SessionLog {
  readonly #journal: SqliteJournal
  readonly #place = Buffer.alloc(placeBytes) // the journal copies it at once

  constructor(journal: SqliteJournal) {
    this.#journal = journal
  }

  opened(session: number, clientId: string, expirySeconds: number, will: Will | undefined, owner: string): void {
    const inJson = will === undefined ? undefined : willToJson(will)
    this.#tellJson(session, factKinds.opened, clientId, { expirySeconds, will: inJson, owner: owner || undefined } satisfies OpenedFact)
  }

  left(session: number, expirySeconds: number, keepsWill: boolean): void {
    this.#tellJson(session, factKinds.left, '', { expirySeconds, keepsWill } satisfies LeftFact)
  }

  willSent(session: number): void {
    this.#journal.appendFact(session, factKinds.willSent, none, undefined, none)
  }

  ended(session: number): void {
    this.#journal.appendFact(session, factKinds.ended, none, undefined, none)
  }

  subscribed(session: number, subscription: StoredSubscription): void {
    this.#journal.appendFact(session, factKinds.subscribed, Buffer.from(subscription.filter), undefined, encodeSubscribed(subscription))
  }

  unsubscribed(session: number, filter: string): void {
    this.#journal.appendFact(session, factKinds.unsubscribed, Buffer.from(filter), undefined, none)
  }

  owed(session: number, owed: Owed, packetId: number, isBeingRouted: boolean): number {
    const { seq, topic, properties } = owed.message
    if (isBeingRouted) return this.#journal.appendFact(session, factKinds.owed, none, undefined, encodeOwed(owed, seq, packetId))
    return this.#journal.appendFact(session, factKinds.owed, Buffer.from(topic), properties, encodeOwed(owed, 0, packetId))
  }

  sent(session: number, place: number, packetId: number): void {
    this.#tellPlace(session, factKinds.sent, place, packetId)
  }

  released(session: number, place: number): void {
    this.#tellPlace(session, factKinds.released, place, 0)
  }

  finished(session: number, place: number): void {
    this.#tellPlace(session, factKinds.finished, place, 0)
  }

  followed(session: number, seq: number): void {
    this.#tellPlace(session, factKinds.followed, seq, 0)
  }

  received(session: number, packetId: number): void {
    this.#tellPlace(session, factKinds.received, 0, packetId)
  }

  forgotten(session: number, packetId: number): void {
    this.#tellPlace(session, factKinds.forgotten, 0, packetId)
  }

  #tellPlace(session: number, kind: number, place: number, packetId: number): void {
    encodePlace(this.#place, place, packetId)
    this.#journal.appendFact(session, kind, none, undefined, this.#place)
  }

  #tellJson(session: number, kind: number, text: string, value: object): void {
    this.#journal.appendFact(session, kind, Buffer.from(text), undefined, Buffer.from(JSON.stringify(value)))
  }
}
