// Where a credential is found: by its id, by whose it is, and by what is presented.
import type { Timed } from '../wheel.ts'
import type { Kept, Owner } from './credential.ts'

/** A credential in memory. `writing`: not on disk yet, so nobody comes in by it. `ended`: nobody does any more, even if the disk fails. */
export class Entry implements Timed {
  dueTick = 0
  kept: Kept
  state: 'writing' | 'live' | 'ended'
  readonly #onDue: (entry: Entry) => void

  constructor(kept: Kept, state: 'writing' | 'live', onDue: (entry: Entry) => void) {
    this.kept = kept
    this.state = state
    this.#onDue = onDue
  }

  onDue(): void {
    this.#onDue(this)
  }
}

const none: readonly Entry[] = []

export class CredentialMaps {
  readonly #ids = new Map<string, Entry>()
  readonly #owners = new Map<string, readonly Entry[]>()
  readonly #tokens = new Map<string, Entry>()
  readonly #usernames = new Map<string, readonly Entry[]>()
  readonly #certificates = new Map<string, Entry>()

  get size(): number {
    return this.#ids.size
  }

  byId(id: string): Entry | undefined {
    return this.#ids.get(id)
  }

  byOwner(owner: Owner): readonly Entry[] {
    return this.#owners.get(keyOf(owner)) ?? none
  }

  byTokenHash(hash: string): Entry | undefined {
    return this.#tokens.get(hash)
  }

  byUsername(username: string): readonly Entry[] {
    return this.#usernames.get(username) ?? none
  }

  byCertificate(name: string): Entry | undefined {
    return this.#certificates.get(name)
  }

  all(): MapIterator<Entry> {
    return this.#ids.values()
  }

  certificates(): MapIterator<Entry> {
    return this.#certificates.values()
  }

  add(entry: Entry): void {
    const { credential, hash } = entry.kept
    this.#ids.set(credential.id, entry)
    addTo(this.#owners, keyOf(credential.of), entry)
    if (credential.kind === 'token') this.#tokens.set(hash, entry)
    else if (credential.kind === 'password') addTo(this.#usernames, credential.name, entry)
    else this.#certificates.set(credential.name, entry)
  }

  remove(entry: Entry): void {
    const { credential, hash } = entry.kept
    this.#ids.delete(credential.id)
    removeFrom(this.#owners, keyOf(credential.of), entry)
    if (credential.kind === 'token') this.#tokens.delete(hash)
    else if (credential.kind === 'password') removeFrom(this.#usernames, credential.name, entry)
    else if (this.#certificates.get(credential.name) === entry) this.#certificates.delete(credential.name) // another may have its name by now
  }
}

export function keyOf({ is, name }: Owner): string {
  return `${is}/${name}`
}

/** Lists are short and seldom changed: a new one each time takes the least memory while nothing changes. */
function addTo(map: Map<string, readonly Entry[]>, key: string, entry: Entry): void {
  map.set(key, [...(map.get(key) ?? none), entry])
}

function removeFrom(map: Map<string, readonly Entry[]>, key: string, entry: Entry): void {
  const left = map.get(key)?.filter((one) => one !== entry) ?? none
  if (left.length === 0) map.delete(key)
  else map.set(key, left)
}
