// How a device is connected: from what is known of its sessions to the word people see.

/** Why a connection ended, beside the refusals of the hub that end one; and why a presence changed without one. */
export const endReasons = {
  'closed-by-device': 'It said goodbye.',
  'connection-lost': 'Its wire was cut without a goodbye.',
  'not-polled': 'It asked for its messages and did not ask again in time.',
  'session-expired': 'It did not come back for as long as it wanted to be remembered.',
  'gateway-silent': 'Its gateway has said so, or speaks for it no more.',
  'hub-stopped': 'The hub died while it was connected.',
} as const

/** One of `endReasons`, or the code of a refusal, such as `keep-alive-timeout`, `taken-over` or `kicked`. */
export type EndReason = string

/** Times are Unix ms. */
export interface Presence {
  /**
   * `online`: a session that speaks for it has a connection. `away`: none has, and one is remembered, with what it is owed. `offline`: neither.
   */
  readonly at: 'online' | 'away' | 'offline'
  /** Null for one that was never connected. */
  readonly since: number | null
  /** Of one that is away: when it will be offline if it does not come back. */
  readonly until?: number
  /** Why it is not connected; of one that is, why it has another connection than before. */
  readonly reason?: EndReason
  /** Of its connection, or of the last one it had. */
  readonly wire?: string
  readonly address?: string
  /** Of one without a connection: when the last one ended. */
  readonly lastOnlineAt?: number
}

export const neverConnected: Presence = { at: 'offline', since: null }

/** What is known of its sessions. */
export interface PresenceFacts {
  /** The newest of those that it has. */
  readonly connection: { readonly wire: string; readonly address: string } | undefined
  /** Until when the one of its sessions that lasts longest is remembered without a connection; undefined when none is. */
  readonly rememberedUntilMs: number | undefined
  /** Of what has just happened. */
  readonly atMs: number
  readonly reason: EndReason | undefined
}

/** What its presence is now. The same object when nobody need be told: it is as it was. */
export function presenceAfter(before: Presence, { connection, rememberedUntilMs, atMs, reason }: PresenceFacts): Presence {
  if (connection !== undefined) {
    if (before.at === 'online' && reason === undefined) return before // it has one connection more or less
    return { at: 'online', since: atMs, ...(reason === undefined ? {} : { reason }), ...connection }
  }
  const { wire, address } = before
  const was = {
    ...(reason === undefined ? {} : { reason }),
    ...(wire === undefined || address === undefined ? {} : { wire, address }),
    ...(before.at === 'online' ? { lastOnlineAt: atMs } : before.lastOnlineAt === undefined ? {} : { lastOnlineAt: before.lastOnlineAt }),
  }
  if (rememberedUntilMs !== undefined) {
    if (before.at === 'away') return before
    return { at: 'away', since: atMs, until: rememberedUntilMs, ...was }
  }
  return before.at === 'offline' ? before : { at: 'offline', since: atMs, ...was }
}
