// When each credential was last used: a note in memory, written once a minute for all of them.
import type { Clock } from '../clock.ts'
import { limits as allLimits } from '../limits.ts'
import type { AccessRecord, AccessStore } from '../store/access.ts'
import type { Timed, Wheel } from '../wheel.ts'

/** Apart from the credential: the moment is written often, and is small. */
export const useKind = 'credential-use'
const everySeconds = 60

export interface LastUsesParts {
  readonly store: AccessStore
  readonly clock: Clock
  readonly wheel: Wheel
  /** They could not be written. They are tried again a minute later. */
  readonly onFailure: (error: unknown) => void
  readonly limits?: Pick<typeof allLimits, 'credentialUses'>
}

export class LastUses implements Timed {
  dueTick = 0
  readonly #at = new Map<string, number>()
  /** Used since it was written, in the order of the first use since. */
  readonly #unwritten = new Set<string>()
  readonly #parts: LastUsesParts
  readonly #usesMax: number
  #writing: Promise<void> | undefined = undefined

  constructor(parts: LastUsesParts) {
    this.#parts = parts
    this.#usesMax = (parts.limits ?? allLimits).credentialUses
    parts.wheel.arm(this, everySeconds)
  }

  load({ id, body }: AccessRecord): void {
    const at = Number(body)
    if (Number.isSafeInteger(at)) this.#at.set(id, at)
  }

  used(id: string): void {
    this.#at.set(id, this.#parts.clock.now())
    this.#unwritten.add(id)
  }

  at(id: string): number | undefined {
    return this.#at.get(id)
  }

  /** The credential is being removed, and its record with it: nothing is written of it from now on. */
  forget(id: string): void {
    this.#at.delete(id)
    this.#unwritten.delete(id)
  }

  onDue(): void {
    this.#parts.wheel.arm(this, everySeconds)
    if (this.#unwritten.size === 0 || this.#writing !== undefined) return
    this.#writing = this.#write()
      .catch(this.#parts.onFailure)
      .finally(() => {
        this.#writing = undefined
      })
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    this.#parts.wheel.disarm(this)
    await this.#writing
    while (this.#unwritten.size > 0) await this.#write()
  }

  async #write(): Promise<void> {
    const ids: string[] = []
    for (const id of this.#unwritten) {
      if (ids.length === this.#usesMax) break
      ids.push(id)
    }
    for (const id of ids) this.#unwritten.delete(id)
    try {
      await this.#parts.store.write(
        ids.map((id) => ({ kind: useKind, id, body: String(this.#at.get(id)) })),
        [],
      )
    } catch (error) {
      for (const id of ids) if (this.#at.has(id)) this.#unwritten.add(id)
      throw error
    }
  }
}
