// Authentications that failed, on their way into the audit log: some each second by name, the rest as a number. Whoever guesses cannot fill it.
import type { Clock } from '../clock.ts'
import type { RefusalCode } from '../errors.ts'
import { limits } from '../limits.ts'
import type { AccessStore, AuditEntry } from '../store/access.ts'

const writeEveryMs = 1000
const action = 'authenticate'

export class FailureLog {
  readonly #store: AccessStore
  readonly #clock: Clock
  readonly #onFailure: (error: unknown) => void
  readonly #stopWriting: () => void
  #entries: AuditEntry[] = []
  #more = 0

  constructor(store: AccessStore, clock: Clock, onFailure: (error: unknown) => void) {
    this.#store = store
    this.#clock = clock
    this.#onFailure = onFailure
    this.#stopWriting = clock.every(writeEveryMs, () => void this.#write())
  }

  add({ who, from, code }: { readonly who: string; readonly from: string; readonly code: RefusalCode }): void {
    if (this.#entries.length >= limits.auditedFailures) this.#more++
    else this.#entries.push({ at: this.#clock.now(), who, from, action, target: 'hub', outcome: 'refused', detail: code })
  }

  async stop(): Promise<void> {
    this.#stopWriting()
    await this.#write()
  }

  async #write(): Promise<void> {
    const entries = this.#entries
    if (entries.length === 0) return
    const more = this.#more
    this.#entries = []
    this.#more = 0
    const detail = `${more} more in the same second`
    if (more > 0) entries.push({ at: this.#clock.now(), who: '', from: '', action, target: 'hub', outcome: 'refused', detail })
    try {
      await this.#store.write([], entries)
    } catch (error) {
      this.#onFailure(error)
    }
  }
}
