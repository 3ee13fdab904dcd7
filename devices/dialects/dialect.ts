// A dialect: how a format of topics and payloads says what the hub's own plan says. The own plan is one, and means what it says; in a foreign one
// it depends on who speaks, so what comes up is read into the words of the own plan, and what goes down is written in its own.
import type { DeviceId } from '../device.ts'
import type { Meaning } from '../topics.ts'
import type { Numbers } from './numbers.ts'

export interface Dialect {
  readonly name: string
  /** Whether a topic name, or a filter, is in its words. */
  isOf(topic: string): boolean
  /** What a topic name means; `spoken` where that depends on who says it, and is found by `read`. */
  meaningOf(topic: string): Meaning
}

export interface ForeignDialect extends Dialect {
  /** What a device says by a message, in the words of the own plan; or the clause that says why it cannot be read. */
  read(topic: string, payload: Uint8Array, speaker: Speaker): readonly Said[] | string
  /** The filter of the own plan for one in its words, from the device `me`; undefined where there is none. */
  filterOf(filter: string, me: DeviceId): string | undefined
  /** A message of the own plan in its words, for a client that has subscribed in them; undefined where it has none. */
  write(meaning: Meaning, payload: Uint8Array, speaker: Speaker): Written | undefined
}

export interface Speaker {
  /** The device by whose connection it is said or heard. */
  readonly me: DeviceId
  /** What its format calls by number, and the own plan by name. */
  readonly numbers: Numbers
}

/** One message of the own plan. */
export interface Said {
  readonly topic: string
  /** Undefined: the payload as it came. */
  readonly payload?: Uint8Array
}

export interface Written {
  readonly topic: string
  readonly payload: Uint8Array
}
