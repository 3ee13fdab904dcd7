// On the loop: writes of who may come in, and questions to the audit log. While one write is at the disk, those that come meanwhile wait and
// share the next commit: whoever guesses passwords by the thousand costs a few commits, not thousands.
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { AccessChange, AccessRecord, AccessStore, AuditEntry, AuditPage, AuditQuery } from '../access.ts'
import type { AccessWrite } from './access-rows.ts'
import type { AuditLook, StoredEntry } from './audit-log.ts'

interface Threads {
  /** Each of them whole or not at all. */
  write(writes: readonly AccessWrite[]): Promise<void>
  look(query: AuditQuery, before: number, wanted: number): Promise<AuditLook>
}

interface Waiting {
  readonly write: AccessWrite
  readonly bytes: number
  resolve(): void
  reject(why: Error): void
}

/** In one commit, for which messages wait: some 10 ms. */
const bytesAtOnce = 256 * 1024

export class SqliteAccess implements AccessStore {
  readonly atStart: readonly AccessRecord[]
  readonly #threads: Threads
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined

  constructor(atStart: readonly AccessRecord[], threads: Threads) {
    this.atStart = atStart
    this.#threads = threads
  }

  write(changes: readonly AccessChange[], audit: readonly AuditEntry[]): Promise<void> {
    const write: AccessWrite = { changes, audit }
    const bytes = bytesOf(write)
    // Who is refused by the thousand must not keep out the operator who does something about it.
    const bytesMax = changes.length > 0 ? limits.accessWaitingBytes : limits.accessWaitingBytes / 2
    if (this.#waitingBytes + bytes > bytesMax) {
      const detail = `${bytesMax} bytes of changes to who may come in wait for the disk, as many as may (limits.accessWaitingBytes)`
      return Promise.reject(new Refusal('store-failed', { detail }))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, bytes, resolve, reject })
      this.#waitingBytes += bytes
      this.#writing ??= this.#writeAll()
    })
  }

  async audit(query: AuditQuery): Promise<AuditPage> {
    const { limit, after = Number.MAX_SAFE_INTEGER } = query
    const entries: StoredEntry[] = []
    // One more than wanted says whether there is more.
    for (let before: number | undefined = after; before !== undefined && entries.length <= limit; ) {
      const look: AuditLook = await this.#threads.look(query, before, limit + 1 - entries.length)
      entries.push(...look.entries)
      before = look.nextBefore
    }
    const page = entries.slice(0, limit)
    return { entries: page, next: entries.length > limit ? page.at(-1)?.id : undefined }
  }

  /** Resolves when nothing is on its way. */
  async close(): Promise<void> {
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve() // what is written in the same turn comes along
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        await this.#threads.write(group.map(({ write }) => write))
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error as Error)
      }
      for (const { bytes } of group) this.#waitingBytes -= bytes
    }
    this.#writing = undefined
  }

  #nextGroup(): Waiting[] {
    let bytes = 0
    let count = 0
    do {
      bytes += this.#waiting[count]!.bytes
      count += 1
    } while (count < this.#waiting.length && bytes + this.#waiting[count]!.bytes <= bytesAtOnce)
    return this.#waiting.splice(0, count)
  }
}

/** What it takes while it waits, about. */
function bytesOf({ changes, audit }: AccessWrite): number {
  let chars = 0
  for (const { kind, id, body } of changes) chars += 100 + kind.length + id.length + (body?.length ?? 0)
  for (const { who, from, action, target, detail } of audit)
    chars += 100 + who.length + from.length + action.length + target.length + detail.length
  return chars
}
