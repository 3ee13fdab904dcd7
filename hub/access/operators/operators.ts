// People: logging in and out, and the set-up that makes the first of them; joined here.
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { Refusal, refusalBy } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { AccessChange, AccessStore, AuditEntry } from '../../store/access.ts'
import type { Wheel } from '../../wheel.ts'
import type { AuthenticationFailure } from '../bans.ts'
import type { Failures } from '../failures.ts'
import { PasswordLogins } from '../password-logins.ts'
import type { Passwords } from '../passwords.ts'
import { type Login, Logins } from './logins.ts'
import { SecondFactors } from './second-factors.ts'
import { SetUp } from './set-up.ts'
import type { User } from './user.ts'
import { Users } from './users.ts'

export interface OperatorsParts {
  readonly store: AccessStore
  readonly key: KeyObject
  readonly clock: Clock
  readonly wheel: Wheel
  /** The one that hashes all passwords of the hub, and the failures of all who guess: their bounds are for all of them. */
  readonly passwords: Passwords
  readonly failures: Failures
  readonly hasRole: (name: string) => boolean
  /** Nobody but a user can administer the hub from where it can be reached. */
  readonly needsAdmin: boolean
  readonly isConnected: (credential: string) => boolean
  readonly onLoginEnded: (login: Login, why: string) => void
  readonly onRole: (user: User) => void
  /** Told when a user is disabled or removed. */
  readonly onShutOut: (name: string, why: string) => void
  readonly onRefused: (failure: AuthenticationFailure) => void
  readonly onFailure: (error: unknown) => void
}

interface Besides {
  readonly code?: string | undefined
  readonly before?: string | undefined
}

export interface LoggedIn {
  readonly user: User
  /** The value of the cookie, told this once. */
  readonly cookie: string
}

interface Beginning {
  /** Written with the login. */
  readonly spent: readonly AccessChange[]
  /** What it took besides the password, in words. */
  readonly by: string
  readonly before?: string | undefined
}

export class Operators {
  readonly users: Users
  readonly logins: Logins
  readonly setUp: SetUp
  readonly secondFactors: SecondFactors
  readonly needsAdmin: boolean
  readonly #parts: OperatorsParts
  readonly #passwords: PasswordLogins<{ readonly id: string }>

  constructor(parts: OperatorsParts) {
    this.#parts = parts
    const { store, key, clock, wheel, passwords, failures, hasRole, needsAdmin, isConnected, onLoginEnded, onRole, onShutOut, onFailure } =
      parts
    this.needsAdmin = needsAdmin
    const logins = {
      removals: (user: string, kept?: string) => this.logins.removals(user, kept),
      end: (user: string, why: string, kept?: string) => this.logins.end(user, why, kept),
    }
    const hashPassword = (password: Uint8Array) => passwords.hash(password)
    this.users = new Users({ store, clock, hashPassword, hasRole, needsAdmin, logins, onRole, onShutOut })
    const mayLogIn = (name: string) => this.users.find(name)?.disabled === false
    this.logins = new Logins({ store, key, clock, wheel, isConnected, onEnded: onLoginEnded, onFailure }, mayLogIn)
    this.setUp = new SetUp({ store, key, clock, hasAdmin: () => this.users.hasAdmin })
    this.#passwords = new PasswordLogins({ credentials: this.users, passwords, clock, failures })
    const onWrong = (name: string, from: string, code: string) =>
      this.#parts.onRefused({ who: `user/${name}`, from, code: 'second-factor-wrong', proof: `${name}\0${code}` })
    this.secondFactors = new SecondFactors({ users: this.users, key, clock, failures, onWrong })
  }

  /** Who comes with this cookie; undefined for nobody. */
  find(cookie: string): { readonly user: User; readonly login: Login } | undefined {
    const login = this.logins.use(cookie)
    const user = login && this.users.find(login.user)
    return login === undefined || user === undefined || user.disabled ? undefined : { user, login }
  }

  /**
   * `code`: of the second factor, or a recovery code; nothing is said of one before the password is right. `before`: the login of this browser,
   * which the new one takes the place of.
   * Errors: `bad-credentials`, `second-factor-needed`, `second-factor-wrong`, and those of who comes too often.
   */
  async logIn(name: string, password: string, address: string, { code, before }: Besides = {}): Promise<LoggedIn> {
    const hash = await this.#assertRight(name, password, address)
    return this.secondFactors.prove({ name, hash }, code, address, (spent, by) => this.#begin(name, address, { spent, by, before }))
  }

  /** Errors: `bad-credentials`, `user-invalid`. */
  async changePassword(name: string, old: string, password: string, address: string, login: string): Promise<void> {
    this.users.assertFit(name, password)
    await this.#assertRight(name, old, address)
    await this.users.change(name, { password }, { who: `user/${name}`, from: address }, login)
  }

  /** The secret of a second factor, which is on when `secondFactors` has seen its first code. Errors: `bad-credentials`, `second-factor-conflict`. */
  async beginSecondFactor(name: string, password: string, address: string, login: string, account: string) {
    await this.#assertRight(name, password, address)
    return this.secondFactors.begin(name, login, account)
  }

  /** Errors: as `logIn`, `second-factor-conflict`. */
  async endSecondFactor(name: string, password: string, address: string, code: string): Promise<void> {
    const hash = await this.#assertRight(name, password, address)
    this.secondFactors.assertOn(name)
    await this.secondFactors.prove({ name, hash }, code, address, (spent) => this.#parts.store.write(spent, []))
    await this.users.change(name, { secondFactor: null }, { who: `user/${name}`, from: address })
  }

  /** Errors: `set-up-link-invalid`, `user-invalid`. */
  async setUpAdmin(token: string, name: string, password: string, address: string): Promise<LoggedIn> {
    const guessed = refusalBy(() => this.setUp.assertValid(token))
    if (guessed !== undefined) {
      this.#parts.onRefused({ who: '', from: address, code: guessed.code, proof: token })
      throw guessed
    }
    let release = () => {}
    const link = {
      claim: () => {
        const claimed = this.setUp.claim(token)
        release = claimed.release
        return claimed.change
      },
      release: () => release(),
    }
    await this.users.putAdmin(name, password, { who: 'set-up link', from: address }, link)
    return this.#begin(name, address, { spent: [], by: 'with a set-up link' })
  }

  stop(): Promise<void> {
    return this.logins.stop()
  }

  /** The stored string that the password matches. Errors: `bad-credentials`, and those of who comes too often. */
  async #assertRight(name: string, password: string, address: string): Promise<string> {
    const isTooLong = name.length > limits.credentialTextBytes
    const right = isTooLong ? undefined : await this.#passwords.login(name, Buffer.from(password), address)
    if (right === undefined) throw this.#refused(name, address, password)
    return right.id
  }

  async #begin(name: string, address: string, { spent, by, before }: Beginning): Promise<LoggedIn> {
    const changes = [this.users.loggedIn(name), ...spent]
    const cookie = await this.logins.begin(name, address, changes, this.#auditOf('login', name, address, by))
    const user = this.users.find(name)
    if (cookie === undefined || user === undefined || user.disabled) throw this.#refused(name, address, '')
    const replaced = this.logins.of(name).find(({ credential }) => credential === before)
    if (replaced !== undefined) await this.logins.logOut(replaced, this.#auditOf('logout', name, address))
    return { user, cookie }
  }

  #refused(name: string, from: string, password: string): Refusal {
    // A name that nobody has may be a password in the wrong field: it is not written down.
    const who = this.users.find(name) === undefined ? '' : `user/${name}`
    this.#parts.onRefused({ who, from, code: 'bad-credentials', proof: `${name}\0${password}` })
    return new Refusal('bad-credentials')
  }

  #auditOf(action: string, name: string, from: string, detail = ''): AuditEntry {
    return { at: this.#parts.clock.now(), who: `user/${name}`, from, action, target: 'hub', outcome: 'done', detail }
  }
}
