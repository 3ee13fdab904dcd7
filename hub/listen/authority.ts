// The hub's own CA and the certificate it gives to this host, for whoever has no certificates: made on the first start, kept below `tls/`
// of the data folder. Devices trust ca.crt once; the host's certificate is renewed and they need not know. It gives devices theirs, too.
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { isIP, isIPv6 } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { nameOf } from '../access/certificate.ts'
import type { ClientCertificate, ClientWanted } from '../api/parts.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Issued, IssueRequest, Pair, Wanted } from './issuer.ts'
import { reasonOf } from './tls-material.ts'

const dayMs = 24 * 3600 * 1000
/** A CA is put into devices by hand, and ten years is what a device lasts. */
const authorityDays = 3653
/** Apple's systems refuse more than 398 days of a server's certificate, and others follow. */
const hostDays = 397
/** Certificates begin in the past, for devices whose clocks are behind. */
const backdatedMs = dayMs

export class Authority {
  readonly certFile: string
  readonly keyFile: string
  readonly #authorityCertFile: string
  readonly #authorityKeyFile: string
  readonly #folder: string
  readonly #names: readonly string[]
  readonly #log: Logger
  readonly #clock: Clock
  /** As it was at the start: by this one clients are verified until the next. */
  #certificate: X509Certificate | undefined
  #issuerName = ''
  #underWay = 0

  private constructor(folder: string, names: readonly string[], log: Logger, clock: Clock) {
    this.#folder = folder
    this.certFile = join(folder, 'host.crt')
    this.keyFile = join(folder, 'host.key')
    this.#authorityCertFile = join(folder, 'ca.crt')
    this.#authorityKeyFile = join(folder, 'ca.key')
    this.#names = names
    this.#log = log
    this.#clock = clock
  }

  /**
   * Resolves when a host certificate that fits this host is on disk.
   *
   * Errors: one sentence that names the file which is half there, damaged or not of this CA. Nothing that is there is ever replaced but a
   * host certificate of this CA: to a device that trusts it, a CA made anew would be a stranger.
   */
  static async open(dataFolder: string, names: readonly string[], log: Logger, clock: Clock): Promise<Authority> {
    const authority = new Authority(join(dataFolder, 'tls'), hostNames(names), log, clock)
    const pair = await authority.#readAuthority()
    const { cert } = pair ?? (await authority.#makeAll())
    if (pair !== undefined) await authority.#renew(pair, true)
    authority.#certificate = new X509Certificate(cert)
    authority.#issuerName = nameOf(authority.#certificate.toLegacyObject().subject)
    return authority
  }

  /** What whoever shall trust the hub has to know. */
  get certificate(): X509Certificate {
    return this.#certificate as X509Certificate
  }

  /** Its name, as `PeerCertificate.issuer` has it. */
  get issuerName(): string {
    return this.#issuerName
  }

  /**
   * A certificate by which a device comes in as a client, in PEM, and its key unless a CSR brings one. It lasts until `toMs` at most, and no
   * longer than the CA. It opens nothing by itself.
   *
   * Errors: `too-many-transfers`; `credential-invalid` for what is wrong with the CSR; `ca-unavailable` with the file that is not what it was.
   */
  async issue({ device, toMs, csr }: ClientWanted): Promise<ClientCertificate> {
    const { certificatesUnderWay: limit } = limits
    if (this.#underWay >= limit) throw new Refusal('too-many-transfers', { limit, name: 'certificatesUnderWay' })
    this.#underWay++
    try {
      const authority = await this.#unchangedAuthority()
      const commonName = device.slice(0, commonNameMax)
      const fromMs = this.#clock.now() - backdatedMs
      const endMs = Math.min(toMs, this.certificate.validToDate.getTime())
      const client = { commonName, fromMs, toMs: endMs - (endMs % 1000), uri: `urn:mooring:device:${device}`, csr }
      const issued = await issueInThread({ is: 'client', authority, client })
      if ('fault' in issued) throw new Refusal('credential-invalid', { detail: issued.fault })
      return { ...issued, untilMs: client.toMs, fingerprint: new X509Certificate(issued.cert).fingerprint256 }
    } finally {
      this.#underWay--
    }
  }

  /** A list of what this CA revoked, in PEM, which is nothing: once OpenSSL has the list of one CA, it wants one of each. */
  async emptyList(): Promise<string> {
    const authority = await this.#unchangedAuthority()
    const { validToDate } = this.certificate
    return issueInThread({ is: 'list', authority, fromMs: this.#clock.now() - backdatedMs, toMs: validToDate.getTime() })
  }

  /** Makes a new certificate for the host when less than a third of its time is left. Rejects with a sentence when it could not. */
  async renewWhenDue(): Promise<void> {
    await this.#renew(await this.#presentAuthority(), false)
  }

  async #presentAuthority(): Promise<Pair> {
    const pair = await this.#readAuthority()
    if (pair === undefined) throw new Error(`${this.#authorityCertFile} and ${this.#authorityKeyFile} are gone: put them back.`)
    return pair
  }

  /** Errors: `ca-unavailable`. */
  async #unchangedAuthority(): Promise<Pair> {
    const pair = await this.#presentAuthority().catch((error: Error) => {
      throw new Refusal('ca-unavailable', { detail: error.message.replace(/\.$/, '') })
    })
    if (new X509Certificate(pair.cert).fingerprint256 === this.certificate.fingerprint256) return pair
    throw new Refusal('ca-unavailable', { detail: `${this.#authorityCertFile} is another than at the start, so start the hub again` })
  }

  /** Undefined when there is nothing at all yet. */
  async #readAuthority(): Promise<Pair | undefined> {
    const [certFile, keyFile] = [this.#authorityCertFile, this.#authorityKeyFile]
    const [cert, key] = [await readIfThere(certFile), await readIfThere(keyFile)]
    if (cert === undefined && key === undefined) {
      for (const file of [this.certFile, this.keyFile]) {
        if ((await readIfThere(file)) !== undefined)
          throw new Error(
            `${file} is there, and the CA it should come from is not: put back ${certFile} and ${keyFile}, or remove ${file}.`,
          )
      }
      return undefined
    }
    if (cert === undefined) throw new Error(`${keyFile} is there without ${certFile}: put back the one, or remove the other for a new CA.`)
    if (key === undefined) throw new Error(`${certFile} is there without ${keyFile}: put back the one, or remove the other for a new CA.`)
    const certificate = parsed(certFile, 'certificate', () => new X509Certificate(cert))
    const privateKey = parsed(keyFile, 'private key', () => createPrivateKey(key))
    if (!certificate.ca) throw new Error(`${certFile} is not the certificate of a CA.`)
    if (!certificate.checkPrivateKey(privateKey)) throw new Error(`${keyFile} does not belong to ${certFile}.`)
    if (certificate.validToDate.getTime() <= this.#clock.now())
      throw new Error(`${certFile} ended on ${certificate.validTo}: move ${this.#folder} away for a new CA, and give that to the devices.`)
    return { cert, key }
  }

  /** Why the host needs a new certificate now; undefined when the one it has will do. */
  async #reasonToRenew(authority: X509Certificate, started: boolean): Promise<string | undefined> {
    const [cert, key] = [await readIfThere(this.certFile), await readIfThere(this.keyFile)]
    if (cert !== undefined) {
      const certificate = parsed(this.certFile, 'certificate', () => new X509Certificate(cert))
      if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
        throw new Error(
          `${this.certFile} does not come from ${this.#authorityCertFile}: give it by --tls-cert, or remove it for a new one.`,
        )
    }
    const privateKey = key === undefined ? undefined : parsed(this.keyFile, 'private key', () => createPrivateKey(key))
    // Two files cannot be replaced at once. Whatever was cut short between them is made again: it can be signed again at any time.
    if (cert === undefined || privateKey === undefined) return 'it was not there'
    const certificate = new X509Certificate(cert)
    if (!certificate.checkPrivateKey(privateKey)) return 'its key was another'
    if (started && namesIn(certificate).join() !== [...this.#names].sort().join()) return 'the names of this host changed'
    return this.#isDue(certificate, authority) ? 'less than a third of its time was left' : undefined
  }

  #isDue(certificate: X509Certificate, authority: X509Certificate): boolean {
    const now = this.#clock.now()
    const [fromMs, toMs] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    if (now < fromMs) return true // it was made by a clock that went ahead
    // Close to the end of the CA a new certificate would not last longer.
    return toMs - now < (toMs - fromMs) / 3 && this.#hostWanted(authority).toMs > toMs + dayMs
  }

  async #renew(pair: Pair, started: boolean): Promise<void> {
    const authority = new X509Certificate(pair.cert)
    const reason = await this.#reasonToRenew(authority, started)
    if (reason === undefined) return
    const { host } = await issueInThread({ is: 'host', authority: pair, host: { ...this.#hostWanted(authority), names: this.#names } })
    await this.#write(this.keyFile, host.key, 0o600)
    await this.#write(this.certFile, host.cert, 0o600)
    this.#log.info({ file: this.certFile, names: this.#names }, `made a new certificate for this host: ${reason}`)
  }

  async #makeAll(): Promise<Pair> {
    const fromMs = this.#clock.now() - backdatedMs
    // A few random digits tell two hubs' CAs apart in a list of trusted ones.
    const commonName = `Mooring CA ${randomBytes(3).toString('hex')} of ${hostname()}`.slice(0, commonNameMax)
    const wanted = { commonName, fromMs, toMs: fromMs + authorityDays * dayMs }
    const { authority, host } = await issueInThread({ is: 'host', authority: wanted, host: { ...this.#hostWanted(), names: this.#names } })
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await chmod(this.#folder, 0o700) // it may have been there
      await syncFolder(dirname(this.#folder))
    } catch (error) {
      throw new Error(`The folder ${this.#folder} cannot be made: ${reasonOf(error)}.`, { cause: error })
    }
    await this.#write(this.#authorityKeyFile, authority.key, 0o600)
    await this.#write(this.#authorityCertFile, authority.cert, 0o644)
    await this.#write(this.keyFile, host.key, 0o600)
    await this.#write(this.certFile, host.cert, 0o600)
    this.#log.info(
      { file: this.#authorityCertFile, fingerprint: new X509Certificate(authority.cert).fingerprint256 },
      `made a CA for this hub, ${commonName}; devices that shall trust the hub need ${this.#authorityCertFile}`,
    )
    return authority
  }

  #hostWanted(authority?: X509Certificate): Wanted {
    const fromMs = this.#clock.now() - backdatedMs
    // Both ends of the time belong to it (RFC 5280 section 4.1.2.5), hence one second less.
    const toMs = fromMs + hostDays * dayMs - 1000
    const commonName = (this.#names[0] as string).slice(0, commonNameMax)
    return { commonName, fromMs, toMs: Math.min(toMs, authority?.validToDate.getTime() ?? toMs) }
  }

  /** The whole file or none of it, also after a power cut. */
  async #write(file: string, text: string, mode: number): Promise<void> {
    const unfinished = `${file}.new`
    try {
      await rm(unfinished, { force: true }) // of a start that was cut short
      const handle = await open(unfinished, 'wx', mode)
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(unfinished, file)
      await syncFolder(this.#folder)
    } catch (error) {
      throw new Error(`${file} cannot be written: ${reasonOf(error)}.`, { cause: error })
    }
  }
}

/** RFC 5280 appendix A.1, ub-common-name. */
const commonNameMax = 64

/** Until then a power cut takes the names of new files back. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`${file} cannot be read: ${reasonOf(error)}.`, { cause: error })
  }
}

function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new Error(`${file} is not a ${what}: put back the one that was there, or move it away.`, { cause: error })
  }
}

function issueInThread<Request extends IssueRequest>(request: Request): Promise<Issued[Request['is']]> {
  const module = new URL(`./issuer${extname(import.meta.url)}`, import.meta.url)
  return new Promise((resolve, reject) => {
    const worker = new Worker(module, { name: 'mooring issuer', workerData: request })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('The thread that makes certificates ended without one.')))
  })
}

/** What clients may call this host: each name once, in the form that certificates print. */
function hostNames(given: readonly string[]): string[] {
  const wrong = given.find((name) => isIP(name) === 0 && !dnsName.test(name))
  if (wrong !== undefined) throw new Error(`"${wrong}" is neither a host name nor an IP address, so no certificate can name it.`)
  const own = dnsName.test(hostname()) ? [hostname()] : []
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  const names = [...own, 'localhost', '127.0.0.1', '::1', ...given, ...addresses].map(canonical)
  return [...new Set(names)].filter((name) => !namesNobody.test(name)).slice(0, limits.certificateNames)
}

/** Addresses to listen on everywhere, and link-local ones, which name a host only together with an interface. */
const namesNobody = /^(0\.0\.0\.0|::|fe[89ab][0-9a-f]:.*)$/
const dnsName = /^(?=.{1,253}$)(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i

function namesIn({ subjectAltName = '' }: X509Certificate): string[] {
  const entries = subjectAltName.split(', ').map((entry) => entry.replace(/^(DNS|IP Address):/, ''))
  return entries.map(canonical).sort()
}

/** IPv6 addresses have many spellings; a URL knows the short one. */
function canonical(name: string): string {
  return isIPv6(name) ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name.toLowerCase()
}
