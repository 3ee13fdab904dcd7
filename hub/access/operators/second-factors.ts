// Second factors: begun with a secret, on with its first code, asked for at each login, taken away.
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { AccessChange } from '../../store/access.ts'
import type { Failures } from '../failures.ts'
import { isDigits, newRecoveryCodes, newSecret, recoveryHash, type SecondFactor, stepOf, uriOf } from './second-factor.ts'
import type { Users } from './users.ts'

export interface SecondFactorsParts {
  readonly users: Users
  /** The secret under which recovery codes are hashed. */
  readonly key: KeyObject
  readonly clock: Clock
  readonly failures: Failures
  /** Told of a wrong code: whoever tried it knows the password. */
  readonly onWrong: (name: string, address: string, code: string) => void
}

interface Begun {
  /** Who began it sees the secret; another login of the user does not turn it on. */
  readonly login: string
  readonly secret: string
  /** Unix ms */
  readonly until: number
}

/** Who has proven his password: the stored string that it matched. */
export interface ProvenUser {
  readonly name: string
  readonly hash: string
}

export class SecondFactors {
  readonly #parts: SecondFactorsParts
  /** By user, the newest of each. It opens nothing and closes nothing yet, so it is on no disk. */
  readonly #begun = new Map<string, Begun>()

  constructor(parts: SecondFactorsParts) {
    this.#parts = parts
  }

  /** `account`: what the user's app shows. The secret is told this once. Errors: `second-factor-conflict`. */
  begin(name: string, login: string, account: string): { readonly secret: string; readonly uri: string } {
    if (this.#parts.users.secondFactorOf(name) !== undefined) throw conflict(name, 'is on already; turn it off first')
    const secret = newSecret()
    this.#begun.set(name, { login, secret, until: this.#parts.clock.now() + limits.enrolSeconds * 1000 })
    return { secret, uri: uriOf(secret, account) }
  }

  /**
   * On from now, as `code` shows that the app makes codes. Answers the recovery codes, told this once; all other logins of the user end.
   * Errors: `second-factor-conflict`, `second-factor-wrong`, `too-many-codes`.
   */
  async confirm(name: string, code: string, address: string, login: string): Promise<readonly string[]> {
    const { users, clock } = this.#parts
    const begun = this.#begun.get(name)
    if (begun === undefined || begun.login !== login || begun.until <= clock.now())
      throw conflict(name, `is not being set up by this login, or for more than ${limits.enrolSeconds / 60} minutes; begin again`)
    const step = this.#step(name, { secret: begun.secret, step: -1 }, code, address)
    this.#begun.delete(name)
    const codes = newRecoveryCodes()
    const recovery = codes.map((one) => recoveryHash(this.#parts.key, name, one))
    const secondFactor = { secret: begun.secret, step, recovery }
    await users.change(name, { secondFactor }, { who: `user/${name}`, from: address }, login)
    return codes
  }

  /**
   * Takes the code of who has one, and lets him pass who has none. `pass` writes what it is given with what the code was for; `by` says what it was.
   * Errors: `second-factor-needed`, `second-factor-wrong`, `too-many-codes`, `bad-credentials` for whose password changed meanwhile.
   */
  prove<T>(
    { name, hash }: ProvenUser,
    code: string | undefined,
    address: string,
    pass: (spent: readonly AccessChange[], by: string) => Promise<T>,
  ): Promise<T> {
    let by = ''
    const spend = (factor: SecondFactor) => {
      if (code === undefined || code === '') throw new Refusal('second-factor-needed')
      by = isDigits(code) ? 'with a code' : 'with a recovery code'
      return isDigits(code)
        ? { ...factor, step: this.#step(name, factor, code, address) }
        : this.#withoutRecovery(name, factor, code, address)
    }
    return this.#parts.users.spend(name, hash, spend, (spent) => pass(spent, by))
  }

  /** Errors: `second-factor-conflict`. */
  assertOn(name: string): void {
    if (this.#parts.users.secondFactorOf(name) === undefined) throw conflict(name, 'is off')
  }

  #step(name: string, { secret, step: after }: Pick<SecondFactor, 'secret' | 'step'>, code: string, address: string): number {
    const { failures, clock } = this.#parts
    const attempt = failures.beginCode(address, name)
    const step = stepOf(secret, code, clock.now(), after)
    attempt.end(step === undefined)
    if (step === undefined) throw this.#wrong(name, address, code)
    return step
  }

  /** It has 80 bits: its failures are the address's alone, so that it is good also while somebody guesses digits. */
  #withoutRecovery(name: string, factor: SecondFactor, code: string, address: string): SecondFactor {
    const { failures, key } = this.#parts
    const attempt = failures.begin(address, name, true)
    const hash = recoveryHash(key, name, code)
    // To compare hashes takes longer or shorter by what was guessed, and tells nothing of the code.
    const isRight = factor.recovery.includes(hash)
    attempt.end(!isRight)
    if (!isRight) throw this.#wrong(name, address, code)
    return { ...factor, recovery: factor.recovery.filter((one) => one !== hash) }
  }

  #wrong(name: string, address: string, code: string): Refusal {
    this.#parts.onWrong(name, address, code)
    return new Refusal('second-factor-wrong')
  }
}

function conflict(name: string, detail: string): Refusal {
  return new Refusal('second-factor-conflict', { name, detail })
}
