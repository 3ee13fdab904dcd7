// Passwords as they lie on disk: argon2id in PHC strings, made and compared by a few threads at a time.
import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'

export interface PasswordHashing {
  hash(password: Uint8Array): Promise<string>
  matches(stored: string, password: Uint8Array): Promise<boolean>
}

export interface Cost {
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** 19 MiB, two passes, one lane: OWASP Password Storage Cheat Sheet. Some 35 ms of a core. */
const usualCost: Cost = { memoryKiB: 19 * 1024, passes: 2, lanes: 1 }
/** What a stored string may ask for: one that came from elsewhere must not take all memory or all time. */
const costMax: Cost = { memoryKiB: 64 * 1024, passes: 10, lanes: 4 }

const saltBytes = 16
const hashBytes = 32
/** https://github.com/P-H-C/phc-string-format and RFC 9106: version 0x13 is 19. */
const phc = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

type Limits = Pick<typeof allLimits, 'passwordHashes' | 'passwordHashesWaiting'>

interface Job {
  readonly parameters: Argon2Parameters
  readonly resolve: (hash: Buffer) => void
  readonly reject: (error: unknown) => void
}

export class Passwords implements PasswordHashing {
  readonly #cost: Cost
  readonly #limits: Limits
  #running = 0
  readonly #waiting: Job[] = []
  /** Compared with where there is nothing to compare with: the answer takes as long and says as much. */
  readonly #nobody: { readonly salt: Buffer; readonly hash: Buffer; readonly cost: Cost }

  constructor(cost: Cost = usualCost, limits: Limits = allLimits) {
    this.#cost = cost
    this.#limits = limits
    this.#nobody = { salt: randomBytes(saltBytes), hash: randomBytes(hashBytes), cost }
  }

  async hash(password: Uint8Array): Promise<string> {
    const salt = randomBytes(saltBytes)
    const hash = await this.#derive(password, salt, hashBytes, this.#cost)
    const { memoryKiB, passes, lanes } = this.#cost
    return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$${base64(salt)}$${base64(hash)}`
  }

  /** A stored string that cannot be read matches nothing, and takes as long. Errors: `Refusal('authentication-busy')`. */
  async matches(stored: string, password: Uint8Array): Promise<boolean> {
    const known = readPhc(stored)
    const { salt, hash, cost } = known ?? this.#nobody
    const derived = await this.#derive(password, salt, hash.length, cost)
    return timingSafeEqual(derived, hash) && known !== undefined
  }

  #derive(password: Uint8Array, nonce: Buffer, tagLength: number, { memoryKiB, passes, lanes }: Cost): Promise<Buffer> {
    const { passwordHashes, passwordHashesWaiting } = this.#limits
    if (this.#running >= passwordHashes && this.#waiting.length >= passwordHashesWaiting)
      throw new Refusal('authentication-busy', { name: 'passwordHashesWaiting', seconds: 2 })
    const message = Uint8Array.from(password) // it is a view of what the socket brought, which is used again
    return new Promise((resolve, reject) => {
      this.#waiting.push({ parameters: { message, nonce, parallelism: lanes, tagLength, memory: memoryKiB, passes }, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    if (this.#running >= this.#limits.passwordHashes) return
    const job = this.#waiting.shift()
    if (job === undefined) return
    this.#running++
    argon2('argon2id', job.parameters, (error, hash) => {
      this.#running--
      this.#next()
      if (error === null) job.resolve(hash)
      else job.reject(error)
    })
  }
}

function readPhc(stored: string): { salt: Buffer; hash: Buffer; cost: Cost } | undefined {
  const [, m, t, p, salt, hash] = phc.exec(stored) ?? []
  if (salt === undefined || hash === undefined) return undefined
  const cost = { memoryKiB: Number(m), passes: Number(t), lanes: Number(p) }
  const { memoryKiB, passes, lanes } = cost
  if (memoryKiB > costMax.memoryKiB || passes > costMax.passes || lanes > costMax.lanes) return undefined
  if (memoryKiB < 8 * lanes || passes < 1 || lanes < 1) return undefined
  return { salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64'), cost }
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
