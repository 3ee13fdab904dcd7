// Who is logged in: each login is a cookie with 256 random bits, of which the hub keeps a keyed hash.
import { type KeyObject, randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { limits as allLimits } from '../../limits.ts'
import type { AccessChange, AccessStore, AuditEntry } from '../../store/access.ts'
import type { Timed, Wheel } from '../../wheel.ts'
import { tokenHash } from '../token.ts'
import { isCookie } from './cookie.ts'
import { membersOf } from './user.ts'

export interface Login {
  /** What it is called where its secret must not be: by connections and the audit log. */
  readonly credential: string
  readonly user: string
  readonly createdAt: number
  /** Unix ms when it ends, used or not. */
  readonly until: number
  /** From where. */
  readonly address: string
}

type Limits = Pick<typeof allLimits, 'logins' | 'loginsPerUser' | 'loginSeconds' | 'loginIdleSeconds'>

export interface LoginsParts {
  readonly store: AccessStore
  /** The secret under which cookies are hashed. */
  readonly key: KeyObject
  readonly clock: Clock
  readonly wheel: Wheel
  /** Whether somebody is connected by it: a page that stands open is in use, though it asks for nothing. */
  readonly isConnected: (credential: string) => boolean
  /** Told when a login is over: connections that it opened are closed. */
  readonly onEnded: (login: Login, why: string) => void
  /** What was seen or ended could not be written. */
  readonly onFailure: (error: unknown) => void
  readonly limits?: Limits
}

const kind = 'login'
/** The wheel counts seconds that pass, logins end by the wall clock: when someone sets that, it is noticed within an hour. */
const lookAgainSeconds = 3600
/** Records of logins that have ended are removed with whatever ended them, and after this once more: that write may have failed. */
const sweepSeconds = 60
/** How exactly it is on disk when a login was last used. */
const writeSeenEveryMs = 10 * 60_000

class Entry implements Timed {
  dueTick = 0
  readonly hash: string
  readonly login: Login
  readonly #onDue: (entry: Entry) => void
  seenAt: number
  writtenSeenAt: number

  constructor(hash: string, login: Login, seenAt: number, onDue: (entry: Entry) => void) {
    this.hash = hash
    this.login = login
    this.seenAt = seenAt
    this.writtenSeenAt = seenAt
    this.#onDue = onDue
  }

  onDue(): void {
    this.#onDue(this)
  }
}

export class Logins {
  readonly #parts: LoginsParts
  readonly #limits: Limits
  /** By the hash of the cookie, in the order in which they began. */
  readonly #entries = new Map<string, Entry>()
  readonly #meet = (entry: Entry) => this.#onDue(entry)
  /** Hashes of those that have ended, whose records may still be there: the next start must not find them. */
  readonly #gone = new Set<string>()
  readonly #sweep: Timed = { dueTick: 0, onDue: () => void this.#removeGone().catch(this.#parts.onFailure) }

  /** @param mayLogIn whose logins of earlier runs still hold */
  constructor(parts: LoginsParts, mayLogIn: (user: string) => boolean) {
    this.#parts = parts
    this.#limits = parts.limits ?? allLimits
    const found = parts.store.atStart.flatMap(({ kind: is, id, body }) => (is === kind ? [this.#read(id, body)] : []))
    const held = found
      .filter((entry) => entry !== undefined)
      .filter((entry) => mayLogIn(entry.login.user) && this.#endOf(entry) > this.#now)
    held.sort((a, b) => a.login.createdAt - b.login.createdAt)
    for (const entry of held) this.#add(entry)
    for (const { kind: is, id } of parts.store.atStart) if (is === kind && !this.#entries.has(id)) this.#forget(id)
  }

  get size(): number {
    return this.#entries.size
  }

  /** Whose cookie it is, if he is still logged in by it. It counts as used. */
  use(cookie: string): Login | undefined {
    if (!isCookie(cookie)) return undefined
    const entry = this.#entries.get(this.#hashOf(cookie))
    if (entry === undefined || this.#endOf(entry) <= this.#now) return undefined
    this.#seen(entry)
    return entry.login
  }

  of(user: string): Login[] {
    return this.#of(user).map(({ login }) => login)
  }

  seenAt({ credential }: Login): number | undefined {
    return this.#byCredential(credential)?.seenAt
  }

  /** A new login; it opens the hub once it is on disk. Past the bounds the oldest ends. `undefined`: the user was shut out meanwhile. */
  async begin(user: string, address: string, besides: readonly AccessChange[], audit: AuditEntry): Promise<string | undefined> {
    const cookie = randomBytes(32).toString('base64url')
    const over = this.#makeRoom(user)
    const entry = this.#entry(this.#hashOf(cookie), user, this.#now, this.#now, address)
    this.#add(entry) // nobody knows its cookie yet
    const body = bodyOf(entry)
    try {
      await this.#parts.store.write([...over, { kind, id: entry.hash, body }, ...besides], [audit])
    } catch (error) {
      this.#remove(entry)
      throw error
    }
    if (this.#entries.get(entry.hash) === entry) return cookie
    await this.#parts.store.write([removalOf(entry.hash)], [])
    return undefined
  }

  /** Nobody comes in by it from now on, whether the disk takes it or not. */
  async logOut({ credential }: Login, audit: AuditEntry): Promise<void> {
    const entry = this.#byCredential(credential)
    if (entry === undefined) return
    await this.#parts.store.write([this.#end(entry, 'logged out')], [audit])
  }

  removals(user: string, kept?: string): AccessChange[] {
    return this.#others(user, kept).map(({ hash }) => removalOf(hash))
  }

  /** Answers what has to be written, so that they do not come back with the next start. */
  end(user: string, why: string, kept?: string): AccessChange[] {
    return this.#others(user, kept).map((entry) => this.#end(entry, why))
  }

  /** Writes when they were last used. */
  async stop(): Promise<void> {
    for (const entry of this.#entries.values()) this.#parts.wheel.disarm(entry)
    await this.#removeGone()
    this.#parts.wheel.disarm(this.#sweep)
    const seen = [...this.#entries.values()].filter(({ seenAt, writtenSeenAt }) => seenAt > writtenSeenAt)
    if (seen.length > 0)
      await this.#parts.store.write(
        seen.map((entry) => ({ kind, id: entry.hash, body: bodyOf(entry) })),
        [],
      )
  }

  get #now(): number {
    return this.#parts.clock.now()
  }

  /** Another use of the key than for tokens: their texts never begin like this. */
  #hashOf(cookie: string): string {
    return tokenHash(this.#parts.key, `login ${cookie}`)
  }

  #entry(hash: string, user: string, createdAt: number, seenAt: number, address: string): Entry {
    const until = createdAt + this.#limits.loginSeconds * 1000
    const login = { credential: `login-${hash.slice(0, 16)}`, user, createdAt, until, address }
    return new Entry(hash, login, seenAt, this.#meet)
  }

  #read(hash: string, body: string): Entry | undefined {
    const { user, createdAt, seenAt, address } = membersOf(body)
    if (typeof user !== 'string' || typeof address !== 'string') return undefined
    if (!Number.isSafeInteger(createdAt) || !Number.isSafeInteger(seenAt)) return undefined
    return this.#entry(hash, user, createdAt as number, seenAt as number, address)
  }

  #add(entry: Entry): void {
    this.#entries.set(entry.hash, entry)
    this.#arm(entry)
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.hash)
    this.#parts.wheel.disarm(entry)
  }

  #end(entry: Entry, why: string): AccessChange {
    this.#remove(entry)
    this.#forget(entry.hash)
    this.#parts.onEnded(entry.login, why)
    return removalOf(entry.hash)
  }

  #forget(hash: string): void {
    this.#gone.add(hash)
    this.#parts.wheel.arm(this.#sweep, sweepSeconds)
  }

  async #removeGone(): Promise<void> {
    const gone = [...this.#gone]
    if (gone.length === 0) return
    this.#parts.wheel.arm(this.#sweep, sweepSeconds) // once more, should it fail
    await this.#parts.store.write(gone.map(removalOf), [])
    for (const hash of gone) this.#gone.delete(hash)
  }

  #makeRoom(user: string): AccessChange[] {
    const over: AccessChange[] = []
    for (const mine = this.#of(user); mine.length >= this.#limits.loginsPerUser; )
      over.push(this.#end(mine.shift() as Entry, 'newer logins have taken its place'))
    for (const oldest of this.#entries.values()) {
      if (this.#entries.size < this.#limits.logins) break
      over.push(this.#end(oldest, 'newer logins have taken its place'))
    }
    return over
  }

  #of(user: string): Entry[] {
    return [...this.#entries.values()].filter(({ login }) => login.user === user)
  }

  #others(user: string, kept: string | undefined): Entry[] {
    return this.#of(user).filter(({ login }) => login.credential !== kept)
  }

  #byCredential(credential: string): Entry | undefined {
    for (const entry of this.#entries.values()) if (entry.login.credential === credential) return entry
    return undefined
  }

  #endOf({ login, seenAt }: Entry): number {
    return Math.min(login.until, seenAt + this.#limits.loginIdleSeconds * 1000)
  }

  #seen(entry: Entry): void {
    entry.seenAt = Math.max(entry.seenAt, this.#now)
    if (entry.seenAt - entry.writtenSeenAt < writeSeenEveryMs) return
    entry.writtenSeenAt = entry.seenAt
    this.#write([{ kind, id: entry.hash, body: bodyOf(entry) }])
  }

  #arm(entry: Entry): void {
    this.#parts.wheel.arm(entry, Math.min((this.#endOf(entry) - this.#now) / 1000, lookAgainSeconds))
  }

  #onDue(entry: Entry): void {
    const { credential, until } = entry.login
    if (this.#now < until && this.#parts.isConnected(credential)) this.#seen(entry)
    if (this.#endOf(entry) > this.#now) this.#arm(entry)
    else this.#end(entry, this.#now < until ? 'unused for too long' : 'over')
  }

  /** In the background: what is lost of it is only known less exactly. */
  #write(changes: readonly AccessChange[]): void {
    if (changes.length > 0) this.#parts.store.write(changes, []).catch(this.#parts.onFailure)
  }
}

function removalOf(hash: string): AccessChange {
  return { kind, id: hash, body: null }
}

function bodyOf({ login: { user, createdAt, address }, seenAt }: Entry): string {
  return JSON.stringify({ user, createdAt, seenAt, address })
}
