// Who somebody is and what may be said about it: plain data. What it comes to for one connection is in permissions.ts.
import type { DeviceId, Tags } from './device.ts'

/** What can be allowed or denied on a topic. Retaining what one publishes is asked for beside publishing it. */
export const actions = ['publish', 'subscribe', 'retain', 'command', 'admin'] as const
export type Action = (typeof actions)[number]

export interface Rule {
  readonly effect: 'allow' | 'deny'
  readonly actions: readonly Action[]
  /**
   * A topic filter (+ and # as in MQTT) in which %d, %c, %u and %t(name) stand for device id, client id, user name and the value of a tag
   * of the device, as a level or a part of one; %% is a percent sign.
   */
  readonly filter: string
}

/** Whom the variables of a rule stand for. */
export interface Subject {
  readonly device: DeviceId | undefined
  readonly clientId: string
  readonly user: string | undefined
  readonly tags: Tags
}

/** What a proven credential stands for. */
export interface Identity {
  /** `anonymous`: let in by its address alone. `key`: a program with an API key. */
  readonly is: 'device' | 'user' | 'key' | 'anonymous'
  /** Device id, user name, name of the key; empty for anonymous. */
  readonly name: string
  /** Name of a role: its rules are `rules`. */
  readonly role: string
  /** A device whose credential names no role of its own: its type may name another. */
  readonly hasStandardRole?: boolean
  /** The role's own array where it adds nothing to it: permissions with the same array share what is made of it. */
  readonly rules: readonly Rule[]
  readonly tags: Tags
  /** The credential that proved it; undefined for anonymous. */
  readonly credential: string | undefined
  /** Unix ms when it ends by itself (token or certificate expires); undefined for never. */
  readonly until: number | undefined
}
