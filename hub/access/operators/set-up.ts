// The set-up link: whoever has it makes the first admin, or gives one a new password. It is made for somebody who sees what the hub prints.
import { type KeyObject, randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { AccessChange, AccessStore } from '../../store/access.ts'
import type { Actor } from '../credentials.ts'
import { tokenHash } from '../token.ts'
import { membersOf } from './user.ts'

export interface SetUpParts {
  readonly store: AccessStore
  /** The secret under which it is hashed. */
  readonly key: KeyObject
  readonly clock: Clock
  readonly hasAdmin: () => boolean
}

interface Link {
  readonly hash: string
  /** Unix ms */
  readonly until: number
  /** Made because there was no admin: it opens nothing once there is one. */
  readonly isFirst: boolean
}

const kind = 'set-up'
const id = 'link'
const removal: AccessChange = { kind, id, body: null }

export class SetUp {
  readonly #parts: SetUpParts
  /** The newest takes the place of the one before. */
  #link: Link | undefined

  constructor(parts: SetUpParts) {
    this.#parts = parts
    const record = parts.store.atStart.find((one) => one.kind === kind && one.id === id)
    const { hash, until, isFirst } = membersOf(record?.body ?? '')
    if (typeof hash === 'string' && Number.isSafeInteger(until) && typeof isFirst === 'boolean')
      this.#link = { hash, until: until as number, isFirst }
  }

  /** The token of the link, told this once; it holds for a day, and once it is on disk. */
  async make(isFirst: boolean, { who, from }: Actor): Promise<{ readonly token: string; readonly until: number }> {
    const token = randomBytes(32).toString('base64url')
    const at = this.#parts.clock.now()
    const link = { hash: this.#hashOf(token), until: at + limits.setUpSeconds * 1000, isFirst }
    const detail = isFirst ? 'there is no admin' : ''
    await this.#parts.store.write(
      [{ kind, id, body: JSON.stringify(link) }],
      [{ at, who, from, action: 'set-up-link.create', target: 'hub', outcome: 'done', detail }],
    )
    this.#link = link
    return { token, until: link.until }
  }

  /** Errors: `set-up-link-invalid`. */
  assertValid(token: string): void {
    const link = this.#link
    const isOver = link === undefined || link.until <= this.#parts.clock.now() || (link.isFirst && this.#parts.hasAdmin())
    // To compare hashes takes longer or shorter by what was guessed, and tells nothing of the token: it has 256 random bits.
    if (isOver || this.#hashOf(token) !== link.hash) throw new Refusal('set-up-link-invalid')
  }

  /** Takes it, once for all: what has to be written with what it was used for. Errors: `set-up-link-invalid`. */
  claim(token: string): { readonly change: AccessChange; readonly release: () => void } {
    this.assertValid(token)
    const link = this.#link
    this.#link = undefined
    return {
      change: removal,
      release: () => {
        this.#link ??= link
      },
    }
  }

  #hashOf(token: string): string {
    return tokenHash(this.#parts.key, `set-up ${token}`)
  }
}
