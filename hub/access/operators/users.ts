// The book of users: the people who log in, what each may do, and the hash of each one's password.
import type { Clock } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { limits as allLimits } from '../../limits.ts'
import type { AccessChange, AccessStore, AuditEntry } from '../../store/access.ts'
import type { Actor } from '../credentials.ts'
import { adminRole } from '../principal.ts'
import type { SecondFactor } from './second-factor.ts'
import { bodyOf, faultOfName, faultOfPassword, type KeptUser, readUser, type User } from './user.ts'

export interface WantedUser {
  readonly name: string
  readonly role: string
  readonly password: string
}

/** Undefined members stay as they are. */
export interface UserChange {
  readonly role?: string | undefined
  readonly disabled?: boolean | undefined
  readonly password?: string | undefined
  /** null: the password is enough from then on. */
  readonly secondFactor?: SecondFactor | null | undefined
}

/** How the logins of a user are ended with what is written of him. */
export interface LoginsOfUsers {
  /** What has to be written to end those of this user. `kept`: the one that stays. */
  removals(user: string, kept?: string): AccessChange[]
  /** Ends them: whoever came by them is closed. */
  end(user: string, why: string, kept?: string): AccessChange[]
}

export interface UsersParts {
  readonly store: AccessStore
  readonly clock: Clock
  readonly hashPassword: (password: Uint8Array) => Promise<string>
  readonly hasRole: (name: string) => boolean
  /** Nobody but a user can administer the hub from where it can be reached: then one who may has to be left. */
  readonly needsAdmin: boolean
  readonly logins: LoginsOfUsers
  /** Told when a user has another role: whoever he is connected as is asked anew. */
  readonly onRole: (user: User) => void
  /** Told when a user may come in no more. */
  readonly onShutOut: (name: string, why: string) => void
  readonly limits?: Pick<typeof allLimits, 'users'>
}

const kind = 'user'
/** Apart from the user: it is written with each login, and must not undo a change that is on its way to the disk. */
const loginKind = 'user-login'

export class Users {
  /** Records that could not be read at the start, by name. Nobody logs in by them, and they keep their names. */
  readonly unreadable: readonly string[]
  readonly #users = new Map<string, KeptUser>()
  readonly #lastLogins = new Map<string, number>()
  readonly #parts: UsersParts
  readonly #usersMax: number
  /** Changes are made one after the other, so that two of them never take the last two admins. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: UsersParts) {
    this.#parts = parts
    this.#usersMax = (parts.limits ?? allLimits).users
    const records = parts.store.atStart
    this.unreadable = records.filter((record) => record.kind === kind && !this.#load(record.id, record.body)).map(({ id }) => id)
    for (const { kind: is, id, body } of records) {
      if (is === loginKind && Number.isSafeInteger(Number(body))) this.#lastLogins.set(id, Number(body))
    }
  }

  find(name: string): User | undefined {
    return this.#users.get(name)?.user
  }

  all(): User[] {
    return [...this.#users.values()].map(({ user }) => user)
  }

  secondFactorOf(name: string): SecondFactor | undefined {
    return this.#users.get(name)?.secondFactor
  }

  lastLoginAt(name: string): number | undefined {
    return this.#lastLogins.get(name)
  }

  /** Somebody who may log in and administer. */
  get hasAdmin(): boolean {
    return this.#admins().length > 0
  }

  /** The password by which the user may log in, as `PasswordLogins` asks for it; none for who may not. */
  byUsername(name: string): readonly { readonly hash: string; readonly credential: { readonly id: string } }[] {
    const kept = this.#users.get(name)
    return kept === undefined || kept.user.disabled ? [] : [{ hash: kept.hash, credential: { id: kept.hash } }]
  }

  /** What is to be written when he has logged in now. */
  loggedIn(name: string): AccessChange {
    const nowMs = this.#parts.clock.now()
    this.#lastLogins.set(name, nowMs)
    return { kind: loginKind, id: name, body: String(nowMs) }
  }

  /** Errors: `user-invalid`, `user-exists`, `role-unknown`, `too-many-users`. */
  async create({ name, role, password }: WantedUser, by: Actor): Promise<User> {
    this.assertFit(name, password)
    this.#assertNew(name, role) // before the work of hashing, and again after it
    const hash = await this.#parts.hashPassword(Buffer.from(password))
    return this.#inTurn(async () => {
      this.#assertNew(name, role)
      const user = { name, role, disabled: false, createdAt: this.#parts.clock.now() }
      const kept = { user, hash, secondFactor: undefined }
      await this.#parts.store.write([{ kind, id: name, body: bodyOf(kept) }], [this.#auditOf('create', name, `role ${role}`, by)])
      this.#users.set(name, kept)
      return user
    })
  }

  /**
   * Whoever has the set-up link: a new admin, or one who has forgotten the password, or lost his second factor, which is off from then on.
   * `claim` takes the link, `release` gives it back when the disk does not take it. Errors: `user-invalid`, `too-many-users`, what `claim` throws.
   */
  async putAdmin(name: string, password: string, by: Actor, link: { claim(): AccessChange; release(): void }): Promise<User> {
    this.assertFit(name, password)
    const hash = await this.#parts.hashPassword(Buffer.from(password))
    return this.#inTurn(async () => {
      const before = this.#users.get(name)
      if (before === undefined) this.#assertRoom()
      const claimed = link.claim()
      const user = { name, role: adminRole, disabled: false, createdAt: before?.user.createdAt ?? this.#parts.clock.now() }
      const kept = { user, hash, secondFactor: undefined }
      const words = wordsOf({ role: adminRole, ...(before?.secondFactor === undefined ? {} : { secondFactor: null }) })
      try {
        const changes = [{ kind, id: name, body: bodyOf(kept) }, claimed, ...this.#parts.logins.removals(name)]
        await this.#parts.store.write(changes, [this.#auditOf('set-up', name, words, by)])
      } catch (error) {
        link.release()
        throw error
      }
      this.#users.set(name, kept)
      await this.#endOthers(name, 'the password has changed')
      this.#parts.onRole(user)
      return user
    })
  }

  /** `keptLogin`: the one that a new password, or a second factor, does not end. Errors: `user-unknown`, `user-invalid`, `role-unknown`, `last-admin`. */
  async change(name: string, change: UserChange, by: Actor, keptLogin?: string): Promise<User> {
    const { role, disabled, password, secondFactor } = change
    this.#kept(name)
    if (role !== undefined) this.#assertRole(role)
    if (password !== undefined) this.assertFit(name, password)
    const hash = password === undefined ? undefined : await this.#parts.hashPassword(Buffer.from(password))
    return this.#inTurn(async () => {
      const before = this.#kept(name)
      if (role !== undefined) this.#assertRole(role)
      const user = { ...before.user, role: role ?? before.user.role, disabled: disabled ?? before.user.disabled }
      if (user.role !== adminRole || user.disabled) this.#assertOtherAdmin(name)
      const kept = {
        user,
        hash: hash ?? before.hash,
        secondFactor: secondFactor === undefined ? before.secondFactor : (secondFactor ?? undefined),
      }
      const why = hash !== undefined ? 'the password has changed' : secondFactor ? 'a second factor is needed' : undefined
      const changes: AccessChange[] = [{ kind, id: name, body: bodyOf(kept) }]
      // What closes is closed at once, whether the disk takes it or not; what opens, when it is on disk.
      if (user.disabled) {
        this.#users.set(name, { ...before, user: { ...before.user, disabled: true } })
        changes.push(...this.#shutOut(name, 'the user is disabled'))
      } else if (why !== undefined) changes.push(...this.#parts.logins.removals(name, keptLogin))
      await this.#parts.store.write(changes, [this.#auditOf('change', name, wordsOf(change), by)])
      this.#users.set(name, kept)
      if (why !== undefined) await this.#endOthers(name, why, keptLogin)
      if (!user.disabled && (user.role !== before.user.role || before.user.disabled)) this.#parts.onRole(user)
      return user
    })
  }

  /** Errors: `user-unknown`, `last-admin`. If the disk fails he is disabled until the next start, and can be removed again. */
  remove(name: string, by: Actor): Promise<void> {
    return this.#inTurn(async () => {
      const kept = this.#kept(name)
      this.#assertOtherAdmin(name)
      this.#users.set(name, { ...kept, user: { ...kept.user, disabled: true } })
      const ended = this.#shutOut(name, 'the user is removed')
      const removed = [kind, loginKind].map((is) => ({ kind: is, id: name, body: null }))
      await this.#parts.store.write([...removed, ...ended], [this.#auditOf('remove', name, '', by)])
      this.#users.delete(name)
      this.#lastLogins.delete(name)
    })
  }

  /**
   * Uses up what proves the second factor of a user whose password matched `hash`: it is spent at once, whether the disk takes it or not.
   * `spend` answers what is left, or throws; `pass` writes it with what it was spent for, before anything else is changed. Of a user without one
   * there is nothing to spend. Errors: `bad-credentials` when the password is not right any more; those of both.
   */
  async spend<T>(
    name: string,
    hash: string,
    spend: (factor: SecondFactor) => SecondFactor,
    pass: (spent: readonly AccessChange[]) => Promise<T>,
  ): Promise<T> {
    if (this.secondFactorOf(name) === undefined) return pass([])
    return this.#inTurn(() => {
      const before = this.#users.get(name)
      if (before === undefined || before.hash !== hash || before.user.disabled) throw new Refusal('bad-credentials')
      if (before.secondFactor === undefined) return pass([])
      const kept = { ...before, secondFactor: spend(before.secondFactor) }
      this.#users.set(name, kept)
      return pass([{ kind, id: name, body: bodyOf(kept) }])
    })
  }

  /** Errors: `user-invalid`. */
  assertFit(name: string, password: string): void {
    const fault = faultOfName(name) ?? faultOfPassword(name, password)
    if (fault !== undefined) throw new Refusal('user-invalid', { detail: fault })
  }

  #shutOut(name: string, why: string): AccessChange[] {
    const ended = this.#parts.logins.end(name, why)
    this.#parts.onShutOut(name, why)
    return ended
  }

  /** Those that were opened while the removal of the others was on its way. */
  async #endOthers(name: string, why: string, keptLogin?: string): Promise<void> {
    const ended = this.#parts.logins.end(name, why, keptLogin)
    if (ended.length > 0) await this.#parts.store.write(ended, [])
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  #admins(): User[] {
    return this.all().filter(({ role, disabled }) => role === adminRole && !disabled)
  }

  #assertOtherAdmin(name: string): void {
    const admins = this.#admins()
    if (this.#parts.needsAdmin && admins.length === 1 && admins[0]?.name === name) throw new Refusal('last-admin', { name })
  }

  #assertNew(name: string, role: string): void {
    this.#assertRole(role)
    if (this.#users.has(name) || this.unreadable.includes(name)) throw new Refusal('user-exists', { name })
    this.#assertRoom()
  }

  #assertRoom(): void {
    if (this.#users.size + this.unreadable.length >= this.#usersMax) throw new Refusal('too-many-users', { limit: this.#usersMax })
  }

  #assertRole(role: string): void {
    if (!this.#parts.hasRole(role)) throw new Refusal('role-unknown', { name: JSON.stringify(role.slice(0, 64)) })
  }

  #kept(name: string): KeptUser {
    const kept = this.#users.get(name)
    if (kept === undefined) throw new Refusal('user-unknown', { name: JSON.stringify(name.slice(0, 64)) })
    return kept
  }

  #load(name: string, body: string): boolean {
    const kept = readUser(name, body)
    if (kept !== undefined) this.#users.set(name, kept)
    return kept !== undefined
  }

  #auditOf(done: string, name: string, detail: string, { who, from }: Actor): AuditEntry {
    return { at: this.#parts.clock.now(), who, from, action: `user.${done}`, target: `user/${name}`, outcome: 'done', detail }
  }
}

/** What has changed, without the password. */
function wordsOf({ role, disabled, password, secondFactor }: UserChange): string {
  const words = []
  if (role !== undefined) words.push(`role ${role}`)
  if (disabled !== undefined) words.push(disabled ? 'disabled' : 'enabled')
  if (password !== undefined) words.push('password')
  if (secondFactor !== undefined) words.push(`second factor ${secondFactor === null ? 'off' : 'on'}`)
  return words.join(', ')
}
