// The certificates of the hub, watched: what stands in the files is what new handshakes see within a second. Who is connected stays so.
import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import { type Clock, systemClock } from '../clock.ts'
import { limits } from '../limits.ts'
import { Authority } from './authority.ts'
import { type Judged, named, readMaterial, type TlsFile, type TlsFiles, type TlsMaterial } from './tls-material.ts'

export type { TlsMaterial } from './tls-material.ts'

/** Paths; empty ones are not given. */
export interface CertificateOptions {
  /** With neither `cert` nor `key` the hub makes both, and a CA of its own, below `tls/` of `folder`. */
  readonly cert: string
  readonly key: string
  readonly ca: string
  readonly crl: string
  readonly folder: string
  /** What clients call this host, besides the names it knows of itself: for the certificate that the hub makes. */
  readonly names: readonly string[]
}

const hourMs = 3600 * 1000
const dayMs = 24 * hourMs
/** Long enough before the end for whoever replaces certificates by hand. */
const soonMs = 30 * dayMs

/** At rest the files are looked at this seldom. */
const ticksOfLook = 3

export class Certificates {
  readonly #files: TlsFiles
  readonly #authority: Authority | undefined
  readonly #log: Logger
  readonly #clock: Clock
  readonly #listeners: ((material: TlsMaterial) => void)[] = []
  readonly #stops: readonly (() => void)[]
  #judged: Judged
  /** How the files looked last, and how they looked when they were judged. */
  #seen: string
  #judgedAs: string
  /** What was wrong when they were judged; said once, until it is another thing. */
  #complaint: string | undefined
  #ticks = 0
  /** Two looks in a row saw the same. */
  #settled = true
  /** A look or a renewal is under way. */
  #busy = false
  #renewalDue = false
  #closed = false
  #nextWarningMs = 0

  private constructor(files: TlsFiles, seen: string, judged: Judged, authority: Authority | undefined, log: Logger, clock: Clock) {
    this.#files = files
    this.#seen = seen
    this.#judgedAs = seen
    this.#judged = judged
    this.#authority = authority
    this.#log = log
    this.#clock = clock
    this.#stops = [clock.every(limits.certificateLookMs, () => this.#onTick()), clock.every(hourMs, () => this.#care())]
    this.#introduce()
  }

  /** Resolves with a pair that handshakes will take. Rejects with a sentence that names the file, its setting and what is wrong. */
  static async open(options: CertificateOptions, log: Logger, clock: Clock = systemClock): Promise<Certificates> {
    const { cert, key, ca, crl, folder, names } = options
    if (cert === '' && key !== '') throw new Error('--tls-key needs the certificate that belongs to it: --tls-cert.')
    if (cert !== '' && key === '') throw new Error('--tls-cert needs the private key that belongs to it: --tls-key.')
    const authority = cert === '' ? await Authority.open(folder, names, log, clock) : undefined
    const files: TlsFiles = {
      cert: authority === undefined ? { path: cert, setting: '--tls-cert' } : { path: authority.certFile, setting: 'made by the hub' },
      key: authority === undefined ? { path: key, setting: '--tls-key' } : { path: authority.keyFile, setting: 'made by the hub' },
      ca: ca === '' ? undefined : { path: ca, setting: '--tls-ca' },
      crl: crl === '' ? undefined : { path: crl, setting: '--tls-crl' },
      own: authority && { ca: authority.certificate.toString(), crl: crl === '' ? '' : await authority.emptyList() },
    }
    const seen = await looksOf(files) // before they are read, so that a change in between is seen later
    return new Certificates(files, seen, await readMaterial(files), authority, log, clock)
  }

  /** The hub's own CA; undefined where the hub uses certificates that it was given. */
  get authority(): Authority | undefined {
    return this.#authority
  }

  /** What handshakes take now: `secureOptions` makes it what node:tls wants. */
  get material(): TlsMaterial {
    return this.#judged.material
  }

  /** Calls with each later material. */
  onChange(listener: (material: TlsMaterial) => void): void {
    this.#listeners.push(listener)
  }

  close(): void {
    this.#closed = true
    for (const stop of this.#stops) stop()
  }

  /**
   * Asks the disk how the files look. Watchers of Node miss what Kubernetes does (a link to a folder of links is turned) and what arrives on
   * network disks; looking misses nothing. A look takes up to 1 ms of processor time, all threads together, hence not each tick.
   */
  #onTick(): void {
    this.#ticks += 1
    if (this.#busy) return // the disk takes its time, or a renewal has one half of a pair written
    if (!this.#renewalDue && this.#settled && this.#ticks % ticksOfLook !== 0) return
    this.#busy = true
    const work = this.#renewalDue ? this.#renew() : this.#look()
    work
      .catch((error: unknown) => this.#log.error({ err: error }, 'the certificates that are in the files could not be put in force'))
      .finally(() => {
        this.#busy = false
      })
  }

  /** A pair is replaced file by file, and a file piece by piece: what is found is judged once two looks have seen the same. */
  async #look(): Promise<void> {
    const seen = await looksOf(this.#files)
    this.#settled = seen === this.#seen
    this.#seen = seen
    if (!this.#settled || seen === this.#judgedAs) return
    this.#judgedAs = seen
    let judged: Judged
    try {
      judged = await readMaterial(this.#files)
      this.#assertLasting(judged)
    } catch (error) {
      if (!this.#closed) this.#complain((error as Error).message)
      return
    }
    if (!this.#closed) this.#take(judged)
  }

  #complain(sentence: string): void {
    if (sentence === this.#complaint) return
    this.#complaint = sentence
    this.#log.error(`the certificates in the files are not taken, those before stay in force: ${sentence}`)
  }

  #take(judged: Judged): void {
    const same = sameMaterial(judged.material, this.#judged.material)
    if (same && this.#complaint !== undefined) this.#log.info('the certificates in the files are those in force again')
    this.#complaint = undefined
    if (same) return
    this.#judged = judged
    this.#introduce()
    for (const listener of this.#listeners) listener(judged.material)
  }

  /** An ended certificate is better than none at the start, when devices that do not look at dates still get in, but never better than a valid one. */
  #assertLasting({ certificate }: Judged): void {
    const now = this.#clock.now()
    const [toMs, presentToMs] = [certificate, this.#judged.certificate].map(({ validToDate }) => validToDate.getTime()) as [number, number]
    if (toMs <= now && presentToMs > now) throw new Error(`${named(this.#files.cert)} ended on ${certificate.validTo}.`)
  }

  #introduce(): void {
    const { certificate, caution } = this.#judged
    const { subject, subjectAltName: names, validToDate, fingerprint256: fingerprint } = certificate
    const expires = validToDate.toISOString()
    this.#log.info(
      { subject, names, expires, fingerprint },
      `TLS certificate in force: ${names ?? subject}, until ${expires}, SHA-256 ${fingerprint}`,
    )
    if (caution !== undefined) this.#log.warn(caution)
    this.#nextWarningMs = 0
    this.#warn()
  }

  /** Once an hour: what time does to certificates. */
  #care(): void {
    this.#warn()
    this.#renewalDue = this.#authority !== undefined
  }

  /** What is renewed is found in its files like anything else. */
  async #renew(): Promise<void> {
    this.#renewalDue = false
    try {
      await this.#authority?.renewWhenDue()
    } catch (error) {
      if (!this.#closed) this.#log.error(`the certificate of this host could not be renewed: ${(error as Error).message}`)
    }
  }

  /** Once a day, so that it is not overlooked and does not fill the log. */
  #warn(): void {
    if (this.#clock.monotonic() < this.#nextWarningMs) return
    const now = this.#clock.now()
    const { certificate, crlEndsMs } = this.#judged
    const leftMs = certificate.validToDate.getTime() - now
    const cert = named(this.#files.cert)
    const warnings: string[] = []
    if (leftMs <= 0) this.#log.error(`${cert} ended on ${certificate.validTo}: clients that look at it refuse the hub.`)
    else if (leftMs < soonMs) warnings.push(`${cert} ends on ${certificate.validTo}, in ${Math.floor(leftMs / dayMs)} days: replace it.`)
    if (certificate.validFromDate.getTime() > now) warnings.push(`${cert} begins on ${certificate.validFrom} only; is the clock right?`)
    if (crlEndsMs !== undefined && crlEndsMs <= now) {
      const crl = named(this.#files.crl as TlsFile)
      warnings.push(
        `${crl} should have been replaced by ${new Date(crlEndsMs).toISOString()}: until it is, each client certificate is refused.`,
      )
    }
    for (const warning of warnings) this.#log.warn(warning)
    if (leftMs <= 0 || warnings.length > 0) this.#nextWarningMs = this.#clock.monotonic() + dayMs
  }
}

/** Everything that changes when a file does, links followed: overwritten, renamed over, or a link turned elsewhere. */
async function looksOf({ cert, key, ca, crl }: TlsFiles): Promise<string> {
  const looks: string[] = []
  // One after the other: of the four threads that read files, a hanging disk shall not hold all.
  for (const file of [cert, key, ca, crl]) looks.push(file === undefined ? '' : await lookOf(file.path))
  return looks.join('\n')
}

async function lookOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path)
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}` // the time of the inode tells when a copy kept the time of the file
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable'
  }
}

function sameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return a.cert === b.cert && a.key === b.key && a.ca === b.ca && a.crl === b.crl
}
