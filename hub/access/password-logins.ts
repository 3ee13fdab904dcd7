// Who comes with a user name and a password: asked of what was right lately, then of argon2, and of nothing at all for who guesses.
import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { limits as allLimits } from '../limits.ts'
import { type Attempt, Failures, networkOf } from './failures.ts'
import { keepNewest } from './oldest.ts'
import type { PasswordHashing } from './passwords.ts'

type Limits = NonNullable<ConstructorParameters<typeof Failures>[1]> & Pick<typeof allLimits, 'passwordsRemembered' | 'credentialTextBytes'>

/** What a password proves, and the PHC string that it is compared with. */
interface Kept<T> {
  readonly credential: T
  readonly hash: string
}

/** Where they are kept. */
interface Book<T> {
  byUsername(username: string): readonly Kept<T>[]
}

export interface PasswordLoginsParts<T> {
  readonly credentials: Book<T>
  readonly passwords: PasswordHashing
  readonly clock: Clock
  /** Shared by all who compare passwords; without it, its own. */
  readonly failures?: Failures
  readonly limits?: Limits
}

interface Who {
  readonly username: string
  /** The user name and the network that it comes from. */
  readonly pair: string
}

/** For how long a password that was right is right without another hash. */
const rememberedMs = 15 * 60_000

export class PasswordLogins<T extends { readonly id: string }> {
  readonly #credentials: Book<T>
  readonly #passwords: PasswordHashing
  readonly #clock: Clock
  readonly #limits: Limits
  readonly #failures: Failures
  /** Known to this process alone: what is remembered is of no use outside of it. */
  readonly #key = randomBytes(32)
  /** Hash of stored string and password → when it is forgotten, monotonic ms. */
  readonly #right = new Map<string, number>()
  /** User names, by the networks from which their password was right. */
  readonly #trusted = new Set<string>()

  constructor({ credentials, passwords, clock, limits = allLimits, failures = new Failures(clock, limits) }: PasswordLoginsParts<T>) {
    this.#credentials = credentials
    this.#passwords = passwords
    this.#clock = clock
    this.#limits = limits
    this.#failures = failures
  }

  /**
   * The credential that the two prove; at once for a password that was right lately. undefined where they prove nothing, and nothing says
   * whether it was the user name or the password. Errors: `Refusal`.
   */
  login(username: string, password: Uint8Array, address: string): T | undefined | Promise<T | undefined> {
    const { credentialTextBytes } = this.#limits
    if (username.length > credentialTextBytes || password.length > credentialTextBytes) return undefined // nobody has one as long
    const kept = this.#credentials.byUsername(username)
    const remembered = this.#remembered(kept, password)
    if (remembered !== undefined) return remembered.credential
    const pair = `${networkOf(address)} ${username}`
    // Thrown at once, without a promise: in a storm this is where nearly everybody ends.
    const attempt = this.#failures.begin(address, username, this.#trusted.has(pair))
    return this.#compare(kept, Uint8Array.from(password), attempt, { username, pair })
  }

  #remembered(kept: readonly Kept<T>[], password: Uint8Array): Kept<T> | undefined {
    return kept.find(({ hash }) => (this.#right.get(this.#proofOf(hash, password)) ?? 0) > this.#clock.monotonic())
  }

  async #compare(kept: readonly Kept<T>[], password: Uint8Array, attempt: Attempt, who: Who): Promise<T | undefined> {
    const right = await this.#firstRight(kept, password, attempt)
    if (right === undefined) return undefined
    this.#trusted.delete(who.pair)
    this.#trusted.add(who.pair)
    keepNewest(this.#trusted, this.#limits.passwordsRemembered)
    return this.#isStill(who.username, right) ? right.credential : undefined
  }

  /** An unknown user name costs what a known one does: one hash. */
  async #firstRight(kept: readonly Kept<T>[], password: Uint8Array, attempt: Attempt): Promise<Kept<T> | undefined> {
    let wasWrong = false
    try {
      if (kept.length === 0) await this.#passwords.matches('', password)
      for (const one of kept) {
        if (!(await this.#passwords.matches(one.hash, password))) continue
        this.#right.set(this.#proofOf(one.hash, password), this.#clock.monotonic() + rememberedMs)
        keepNewest(this.#right, this.#limits.passwordsRemembered)
        return one
      }
      wasWrong = true
      return undefined
    } finally {
      attempt.end(wasWrong)
    }
  }

  /** A hash takes its time, and the credential may have been revoked in it. */
  #isStill(username: string, { credential }: Kept<T>): boolean {
    return this.#credentials.byUsername(username).some((one) => one.credential.id === credential.id)
  }

  #proofOf(stored: string, password: Uint8Array): string {
    return createHmac('sha256', this.#key).update(`${stored}\0`).update(password).digest('base64')
  }
}
