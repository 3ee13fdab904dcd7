// User names that a service outside knows: it is asked over HTTP, and what it does not say lets nobody in.
import { isUtf8 } from 'node:buffer'
import { createHmac, randomBytes } from 'node:crypto'
import { isDeviceId } from '../../devices/device.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import type { Presented, Proven } from './authenticator.ts'
import { Breaker } from './breaker.ts'
import { Failures } from './failures.ts'
import { fetchText, isSafeUrl } from './fetch.ts'
import { keepNewest } from './oldest.ts'

/**
 * It is sent a POST of `{"clientId", "username", "password", "address"}`. It answers 200 and `{"device": "pump-7"}` or `{"key": "mes"}`, with
 * `role` and `seconds` if it likes: how long this holds. 401 or 403 is a no. Anything else is a failure, and lets nobody in either.
 */
export interface CallbackOptions {
  readonly url: string
  /** Value of the Authorization field, so that the service knows the hub. */
  readonly authorization: string | undefined
  /** The roles that it may give, and the one where it gives none. */
  readonly rolesAllowed: readonly string[]
  readonly role: string
}

type Limits = NonNullable<ConstructorParameters<typeof Failures>[1]> &
  Pick<typeof allLimits, 'callbacksUnderWay' | 'callbackBytes' | 'callbacksRemembered' | 'credentialTextBytes'>

const timeoutMs = 3_000
/** A fleet that comes back asks once; who is locked out there is so here within a minute. */
const yesMs = 60_000
/** A wrong password that is tried every second asks once in ten. */
const noMs = 10_000
const failuresMax = 5
const restMs = 10_000

interface Answer {
  readonly proven: Proven | undefined
  readonly untilMs: number
}

export class Callback {
  readonly #options: CallbackOptions
  readonly #clock: Clock
  readonly #limits: Limits
  readonly #onFailure: (error: unknown) => void
  readonly #breaker: Breaker
  readonly #failures: Failures
  /** Known to this process alone: what is remembered is of no use outside of it. */
  readonly #key = randomBytes(32)
  readonly #answers = new Map<string, Answer>()
  readonly #asking = new Map<string, Promise<Proven | undefined>>()

  /** `onFailure`: the service could not be asked, or said what cannot be read. Errors: for a service that cannot be used safely. */
  constructor(options: CallbackOptions, clock: Clock, onFailure: (error: unknown) => void, limits: Limits = allLimits) {
    if (!isSafeUrl(options.url)) throw new Error(`Passwords are sent to https://… alone; it was given "${options.url}".`)
    this.#options = options
    this.#clock = clock
    this.#limits = limits
    this.#onFailure = onFailure
    this.#breaker = new Breaker(clock, failuresMax, restMs)
    this.#failures = new Failures(clock, limits)
  }

  /** undefined: it says no. Errors: `Refusal('authentication-busy' | 'authentication-unavailable' | 'too-many-failures')`. */
  async prove({ clientId, username = '', password, address }: Presented): Promise<Proven | undefined> {
    const { credentialTextBytes, callbacksUnderWay } = this.#limits
    if (password === undefined || !isUtf8(password)) return undefined
    if (password.length > credentialTextBytes || username.length > credentialTextBytes) return undefined
    const body = JSON.stringify({ clientId: clientId ?? null, username, password: Buffer.from(password).toString(), address })
    const asked = createHmac('sha256', this.#key).update(body).digest('base64')
    const known = this.#answers.get(asked)
    if (known !== undefined && known.untilMs > this.#clock.monotonic()) return known.proven
    const asking = this.#asking.get(asked)
    if (asking !== undefined) return asking
    if (this.#asking.size >= callbacksUnderWay) throw new Refusal('authentication-busy', { name: 'callbacksUnderWay', seconds: 2 })
    const attempt = this.#failures.begin(address, username, true)
    if (!this.#breaker.admits()) {
      attempt.end(false)
      throw new Refusal('authentication-unavailable', { seconds: this.#breaker.secondsToRest })
    }
    const answering = this.#ask(asked, body)
      .then((proven) => {
        attempt.end(proven === undefined)
        return proven
      })
      .catch((error: unknown) => {
        attempt.end(false)
        throw error
      })
      .finally(() => this.#asking.delete(asked))
    this.#asking.set(asked, answering)
    return answering
  }

  async #ask(asked: string, body: string): Promise<Proven | undefined> {
    let proven: Proven | undefined
    try {
      proven = await this.#answerOf(body)
    } catch (error) {
      this.#breaker.failed()
      this.#onFailure(error)
      throw new Refusal('authentication-unavailable', { seconds: 2 })
    }
    this.#breaker.succeeded()
    const endsMs = proven?.until === undefined ? yesMs : Math.min(yesMs, proven.until - this.#clock.now())
    this.#answers.delete(asked)
    this.#answers.set(asked, { proven, untilMs: this.#clock.monotonic() + (proven === undefined ? noMs : endsMs) })
    keepNewest(this.#answers, this.#limits.callbacksRemembered)
    return proven
  }

  async #answerOf(body: string): Promise<Proven | undefined> {
    const { url, authorization } = this.#options
    const headers = { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) }
    const bounds = { timeoutMs, bytesMax: this.#limits.callbackBytes }
    const { status, text } = await fetchText(url, { method: 'POST', headers, body }, bounds)
    if (status === 401 || status === 403) return undefined
    if (status !== 200) throw new Error(`the service answered ${status}`)
    return this.#proven(JSON.parse(text))
  }

  #proven(answer: unknown): Proven {
    if (typeof answer !== 'object' || answer === null) throw new Error('the service answered no object')
    const { device, key, role = this.#options.role, seconds } = answer as Readonly<Record<string, unknown>>
    const name = device ?? key
    const isNamed = typeof name === 'string' && name !== '' && name.length <= this.#limits.credentialTextBytes
    if (!isNamed || (device !== undefined && (key !== undefined || !isDeviceId(name))))
      throw new Error('the service answered no device and no key')
    if (typeof role !== 'string' || !(role === this.#options.role || this.#options.rolesAllowed.includes(role)))
      throw new Error('the service gave a role that it may not give')
    if (seconds !== undefined && !(typeof seconds === 'number' && seconds > 0)) throw new Error('the service gave no number of seconds')
    const until = seconds === undefined ? undefined : this.#clock.now() + Math.round(seconds * 1000)
    const owner = { is: device === undefined ? 'key' : 'device', name } as const
    return { of: owner, role, credential: `callback ${new URL(this.#options.url).host}`, until }
  }
}
