// A book of named documents: held in memory, bounded, on disk first.
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { AccessStore, typeKind } from '../store/access.ts'
import type { Actor } from './credentials.ts'

export interface DocumentsParts<Document> {
  readonly store: AccessStore
  readonly clock: Clock
  /** In the store, in the audit log, and in the codes of refusals. */
  readonly kind: typeof typeKind | 'group'
  readonly most: number
  /** What somebody has written, or the clause that says what is wrong with it. */
  read(name: string, value: unknown): Document | string
}

export class Documents<Document> {
  /** Records that could not be read at the start, by name; they are left as they are. */
  readonly unreadable: readonly string[]
  readonly #documents = new Map<string, Document>()
  readonly #parts: DocumentsParts<Document>
  /** Documents whose first write is under way: they take a place already. */
  #writing = 0

  constructor(parts: DocumentsParts<Document>) {
    this.#parts = parts
    const records = parts.store.atStart.filter(({ kind }) => kind === parts.kind)
    this.unreadable = records.filter(({ id, body }) => !this.#load(id, body)).map(({ id }) => id)
  }

  find(name: string): Document | undefined {
    return this.#documents.get(name)
  }

  /** In the order of their names. */
  all(): Document[] {
    return [...this.#documents].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, document]) => document)
  }

  /** Makes it, or puts it in the place of the one before. Errors: `type-invalid`, `too-many-types`; the same of groups. */
  async put(name: string, value: unknown, by: Actor): Promise<Document> {
    const { kind, most, read } = this.#parts
    const document = read(name, value)
    if (typeof document === 'string') throw new Refusal(`${kind}-invalid`, { detail: document })
    const isNew = !this.#documents.has(name)
    if (isNew && this.#documents.size + this.#writing >= most) throw new Refusal(`too-many-${kind}s`, { limit: most })
    if (isNew) this.#writing++
    try {
      await this.#write(name, JSON.stringify(document), 'put', by)
    } finally {
      if (isNew) this.#writing--
    }
    this.#documents.set(name, document)
    return document
  }

  /** Errors: `type-unknown`, `group-unknown`. */
  async remove(name: string, by: Actor): Promise<void> {
    this.known(name)
    await this.#write(name, null, 'remove', by)
    this.#documents.delete(name)
  }

  /** Errors: `type-unknown`, `group-unknown`. */
  known(name: string): Document {
    const document = this.#documents.get(name)
    if (document === undefined) throw new Refusal(`${this.#parts.kind}-unknown`, { name: JSON.stringify(name.slice(0, 64)) })
    return document
  }

  #write(name: string, body: string | null, done: string, { who, from }: Actor): Promise<void> {
    const { store, clock, kind } = this.#parts
    return store.write(
      [{ kind, id: name, body }],
      [{ at: clock.now(), who, from, action: `${kind}.${done}`, target: `${kind}/${name}`, outcome: 'done', detail: body ?? '' }],
    )
  }

  #load(name: string, body: string): boolean {
    const document = this.#parts.read(name, parsed(body))
    if (typeof document === 'string') return false
    this.#documents.set(name, document)
    return true
  }
}

/** Undefined for what is no JSON. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
