// The book of credentials: held in memory, found by what is presented, written through the store.
import { type KeyObject, randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import type { AccessChange, AccessStore, AuditEntry } from '../store/access.ts'
import type { Wheel } from '../wheel.ts'
import { bodyOf, type Credential, faultOf, isTime, type Kept, type Owner, readKept, type Wanted } from './credential.ts'
import { CredentialMaps, Entry, keyOf } from './credential-maps.ts'
import { LastUses, useKind } from './last-uses.ts'
import { makeToken, tokenHash } from './token.ts'

/** Who asks for a change, for the audit log. */
export interface Actor {
  readonly who: string
  readonly from: string
}

export interface Created {
  readonly credential: Credential
  /** What was made, told this once; undefined where nothing was. */
  readonly secret: string | undefined
}

/** Why whoever came in by a credential may stay no longer. */
export type EndOfCredential = 'revoked' | 'disabled' | 'expired'

type Limits = Pick<
  typeof allLimits,
  'credentials' | 'credentialsPerOwner' | 'passwordsPerUsername' | 'credentialTextBytes' | 'credentialUses'
>

export interface CredentialsParts {
  readonly store: AccessStore
  /** The secret under which tokens are hashed. */
  readonly key: KeyObject
  readonly hashPassword: (password: Uint8Array) => Promise<string>
  readonly clock: Clock
  readonly wheel: Wheel
  /** Told when a credential that was valid is not any more: connections that it opened are closed. */
  readonly onEnded: (credential: Credential, why: EndOfCredential) => void
  /** Last uses could not be written. */
  readonly onFailure: (error: unknown) => void
  readonly limits?: Limits
}

const kind = 'credential'
/** The wheel counts seconds that pass, validity goes by the wall clock: when someone sets that, it is noticed within an hour. */
const lookAgainSeconds = 3600

export class Credentials {
  /** Records that could not be read at the start, by id. They open nothing, and are left as they are. */
  readonly unreadable: readonly string[]
  readonly #maps = new CredentialMaps()
  readonly #uses: LastUses
  readonly #parts: CredentialsParts
  readonly #limits: Limits
  readonly #meet = (entry: Entry) => this.#onDue(entry)

  constructor(parts: CredentialsParts) {
    this.#parts = parts
    this.#limits = parts.limits ?? allLimits
    this.#uses = new LastUses(parts)
    const records = parts.store.atStart
    this.unreadable = records.filter((record) => record.kind === kind && !this.#load(record.id, record.body)).map(({ id }) => id)
    for (const record of records) if (record.kind === useKind && this.#maps.byId(record.id) !== undefined) this.#uses.load(record)
  }

  get size(): number {
    return this.#maps.size
  }

  // ── found by what is presented: valid now, or not found ──

  byToken(token: string): Credential | undefined {
    return this.#validOne(this.#maps.byTokenHash(tokenHash(this.#parts.key, token)))
  }

  /** The passwords of a user name, the newest first; `hash` is a PHC string. */
  byUsername(username: string): readonly Kept[] {
    const valid = this.#maps.byUsername(username).filter((entry) => this.#isValid(entry))
    return valid.map(({ kept }) => kept).reverse()
  }

  /** By a name of the certificate, as `Credential.name` has it. */
  byCertificate(name: string): Credential | undefined {
    return this.#validOne(this.#maps.byCertificate(name))
  }

  /** Whether there is one for this name of a certificate, valid or not. */
  hasCertificate(name: string): boolean {
    return this.#maps.byCertificate(name) !== undefined
  }

  /** Somebody came in by it. Costs a note in memory. */
  used({ id }: Credential): void {
    if (this.#maps.byId(id)?.state === 'live') this.#uses.used(id)
  }

  // ── looked at ──

  find(id: string): Credential | undefined {
    return this.#maps.byId(id)?.kept.credential
  }

  lastUsedAt({ id }: Credential): number | undefined {
    return this.#uses.at(id)
  }

  of(owner: Owner): Credential[] {
    return this.#maps.byOwner(owner).map(({ kept }) => kept.credential)
  }

  /** The newest that is valid now. */
  newestOf(owner: Owner): Credential | undefined {
    return this.#maps.byOwner(owner).findLast((entry) => this.#isValid(entry))?.kept.credential
  }

  /** Whether it has any, valid or not: then nobody speaks for it without one. */
  isOwner(owner: Owner): boolean {
    return this.#maps.byOwner(owner).length > 0
  }

  /** By its name, valid or not. */
  findCertificate(name: string): Credential | undefined {
    return this.#maps.byCertificate(name)?.kept.credential
  }

  *certificates(): Generator<Credential> {
    for (const { kept } of this.#maps.certificates()) yield kept.credential
  }

  *all(): Generator<Credential> {
    for (const { kept } of this.#maps.all()) yield kept.credential
  }

  // ── changed ──

  /**
   * Makes a credential; it opens the hub once it is on disk. `secret` is a token, or a password that the hub made, and is told this once.
   * Those of the same owner whose time is over are forgotten. `besides` is written with it, all or nothing. Errors: `Refusal`.
   */
  async create(wanted: Wanted, by: Actor, besides: () => readonly AccessChange[] = () => []): Promise<Created> {
    const fault = faultOf(wanted, this.#parts.clock.now(), this.#limits.credentialTextBytes)
    if (fault !== undefined) throw new Refusal('credential-invalid', { detail: fault })
    this.#assertRoom(wanted) // before the work of hashing, and again after it
    const made = wanted.password === undefined ? secretOf(wanted.kind) : undefined
    const hash = await this.#hashOf(wanted.kind, wanted.password ?? made ?? '')
    const over = this.#assertRoom(wanted)
    const entry = this.#place(wanted, hash)
    await this.#writeNew(entry, over, besides(), by)
    return { credential: entry.kept.credential, secret: made }
  }

  /** Another label, another end, or disabled for a while. Errors: `Refusal`. */
  async change(id: string, change: Pick<Partial<Credential>, 'label' | 'until' | 'disabled'>, by: Actor): Promise<Credential> {
    const entry = this.#entryAt(id)
    if (entry.state === 'ended') throw unknown(id)
    const before = entry.kept
    const credential = { ...before.credential, ...change }
    const { until, ...lasting } = credential // an end in the past is as good as a revocation
    const fault = isTime(until ?? 0)
      ? faultOf(lasting, this.#parts.clock.now(), this.#limits.credentialTextBytes)
      : 'its end is a moment in Unix ms'
    if (fault !== undefined) throw new Refusal('credential-invalid', { detail: fault })
    const kept = { ...before, credential }
    this.#become(entry, kept)
    try {
      await this.#parts.store.write([{ kind, id, body: bodyOf(kept) }], [this.#auditOf('change', credential, by)])
    } catch (error) {
      // What closes stays closed. What would open is taken back: the next start would not know of it.
      if (entry.kept === kept && entry.state === 'live' && this.#isValid(entry)) this.#become(entry, before)
      throw error
    }
    return credential
  }

  /** Nobody comes in by it from now on, whether the disk takes it or not; if not, it is still listed, and can be revoked again. */
  revoke(id: string, by: Actor): Promise<void> {
    return this.#revoke([this.#entryAt(id)], by)
  }

  /** All of one owner, which is deleted; also those that are just being made. */
  async revokeAll(owner: Owner, by: Actor): Promise<void> {
    const entries = this.#maps.byOwner(owner)
    const written = entries.filter(({ state }) => state !== 'writing')
    for (const entry of entries) this.#end(entry)
    if (written.length > 0) await this.#revoke(written, by)
  }

  /** Writes what is left of last uses. */
  async stop(): Promise<void> {
    for (const entry of this.#maps.all()) this.#parts.wheel.disarm(entry)
    await this.#uses.stop()
  }

  async #revoke(entries: readonly Entry[], by: Actor): Promise<void> {
    for (const entry of entries) this.#end(entry)
    await this.#parts.store.write(
      entries.flatMap(({ kept }) => removalOf(kept.credential.id)),
      entries.map(({ kept }) => this.#auditOf('revoke', kept.credential, by)),
    )
    for (const entry of entries) this.#maps.remove(entry)
  }

  #end(entry: Entry): void {
    const wasValid = this.#isValid(entry)
    entry.state = 'ended'
    this.#parts.wheel.disarm(entry)
    this.#uses.forget(entry.kept.credential.id)
    if (wasValid) this.#parts.onEnded(entry.kept.credential, 'revoked')
  }

  #become(entry: Entry, kept: Kept): void {
    const wasValid = this.#isValid(entry)
    entry.kept = kept
    this.#arm(entry)
    if (wasValid && !this.#isValid(entry)) this.#parts.onEnded(kept.credential, kept.credential.disabled ? 'disabled' : 'expired')
  }

  #hashOf(of: Credential['kind'], secret: string): string | Promise<string> {
    if (of === 'token') return tokenHash(this.#parts.key, secret)
    return of === 'password' ? this.#parts.hashPassword(Buffer.from(secret)) : ''
  }

  /** Its place is taken before the write begins, so that two who ask at the same time do not both get the last one. */
  #place({ of, kind: is, name = '', role, label = '', from, until }: Wanted, hash: string): Entry {
    const nowMs = this.#parts.clock.now()
    const id = `c${randomBytes(8).toString('hex')}`
    const owner = { is: of.is, name: of.name }
    const credential = { id, of: owner, kind: is, name, role, label, createdAt: nowMs, from: from ?? nowMs, until, disabled: false }
    const entry = new Entry({ credential, hash }, 'writing', this.#meet)
    this.#maps.add(entry)
    return entry
  }

  async #writeNew(entry: Entry, over: readonly Entry[], besides: readonly AccessChange[], by: Actor): Promise<void> {
    const { credential } = entry.kept
    for (const one of over) this.#end(one)
    try {
      const changes = over.flatMap(({ kept }) => removalOf(kept.credential.id))
      await this.#parts.store.write(
        [...changes, { kind, id: credential.id, body: bodyOf(entry.kept) }, ...besides],
        [this.#auditOf('create', credential, by)],
      )
    } catch (error) {
      this.#maps.remove(entry)
      throw error
    }
    for (const one of over) this.#maps.remove(one)
    if (entry.state === 'ended') {
      await this.#revoke([entry], by) // its owner was deleted meanwhile
      throw unknown(credential.id)
    }
    entry.state = 'live'
    this.#arm(entry)
  }

  /** Answers those of the owner that the new one replaces, because their time is over. */
  #assertRoom({ of, kind: is, name = '' }: Wanted): readonly Entry[] {
    const { credentials, credentialsPerOwner, passwordsPerUsername } = this.#limits
    const mine = this.#maps.byOwner(of)
    const over = mine.filter((entry) => entry.state !== 'writing' && this.#isOver(entry))
    const left = (entries: readonly Entry[]) => entries.filter((entry) => !over.includes(entry))
    if (left(mine).length >= credentialsPerOwner)
      throw new Refusal('too-many-credentials', { limit: credentialsPerOwner, name: 'credentialsPerOwner' })
    if (this.size - over.length >= credentials) throw new Refusal('too-many-credentials', { limit: credentials, name: 'credentials' })
    const named = is === 'password' ? this.#maps.byUsername(name) : []
    if (named.some(({ kept }) => keyOf(kept.credential.of) !== keyOf(of)))
      throw new Refusal('credential-invalid', { detail: 'the user name is that of another one' })
    if (left(named).length >= passwordsPerUsername)
      throw new Refusal('too-many-credentials', { limit: passwordsPerUsername, name: 'passwordsPerUsername' })
    const pinned = is === 'certificate' ? this.#maps.byCertificate(name) : undefined
    if (pinned !== undefined && !over.includes(pinned))
      throw new Refusal('credential-invalid', { detail: 'the certificate is a credential already' })
    return over
  }

  #entryAt(id: string): Entry {
    const entry = this.#maps.byId(id)
    if (entry === undefined || entry.state === 'writing') throw unknown(id)
    return entry
  }

  #validOne(entry: Entry | undefined): Credential | undefined {
    return entry !== undefined && this.#isValid(entry) ? entry.kept.credential : undefined
  }

  #isValid({ state, kept: { credential } }: Entry): boolean {
    if (state !== 'live' || credential.disabled) return false
    const nowMs = this.#parts.clock.now()
    return credential.from <= nowMs && (credential.until === undefined || nowMs < credential.until)
  }

  #isOver({ kept: { credential } }: Entry): boolean {
    return credential.until !== undefined && credential.until <= this.#parts.clock.now()
  }

  #arm(entry: Entry): void {
    const { until } = entry.kept.credential
    if (until === undefined || this.#isOver(entry)) this.#parts.wheel.disarm(entry)
    else this.#parts.wheel.arm(entry, Math.min((until - this.#parts.clock.now()) / 1000, lookAgainSeconds))
  }

  #onDue(entry: Entry): void {
    const { credential } = entry.kept
    if (!this.#isOver(entry)) this.#arm(entry)
    else if (entry.state === 'live' && !credential.disabled) this.#parts.onEnded(credential, 'expired')
  }

  #load(id: string, body: string): boolean {
    const kept = readKept(id, body)
    if (kept === undefined) return false
    const entry = new Entry(kept, 'live', this.#meet)
    this.#maps.add(entry)
    this.#arm(entry)
    return true
  }

  #auditOf(done: string, { id, of, kind: is, label }: Credential, { who, from }: Actor): AuditEntry {
    const detail = label === '' ? `${is} ${id}` : `${is} ${id} (${label})`
    return { at: this.#parts.clock.now(), who, from, action: `credential.${done}`, target: keyOf(of), outcome: 'done', detail }
  }
}

function unknown(id: string): Refusal {
  return new Refusal('credential-unknown', { id: JSON.stringify(id.slice(0, 64)) })
}

function secretOf(kind: Credential['kind']): string | undefined {
  if (kind === 'token') return makeToken('mrg_')
  return kind === 'password' ? randomBytes(18).toString('base64url') : undefined
}

function removalOf(id: string): AccessChange[] {
  return [
    { kind, id, body: null },
    { kind: useKind, id, body: null },
  ]
}
