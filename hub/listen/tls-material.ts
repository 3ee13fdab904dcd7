// What TLS is made of: a certificate with its chain, a key, the CAs of clients and what they revoked. Read from PEM files and judged here,
// so that nothing reaches a listener that a handshake would stumble over.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { limits } from '../limits.ts'

/** PEM texts. */
export interface TlsMaterial {
  /** The hub's certificate first, then the intermediate ones, if any. */
  readonly cert: string
  readonly key: string
  /** The CAs whose certificates clients may show; undefined when clients are not asked for one. */
  readonly ca: string | undefined
  readonly crl: string | undefined
}

/** A file, and the setting that named it, for sentences. */
export interface TlsFile {
  readonly path: string
  readonly setting: string
}

export interface TlsFiles {
  readonly cert: TlsFile
  readonly key: TlsFile
  readonly ca: TlsFile | undefined
  readonly crl: TlsFile | undefined
  /** The hub's own CA, whose certificates clients may show too; PEM. Its list is there where there is a CRL of others. */
  readonly own: { readonly ca: string; readonly crl: string } | undefined
}

/** Material that was found good. */
export interface Judged {
  readonly material: TlsMaterial
  readonly certificate: X509Certificate
  /** When the first of the CRLs wants to be replaced; undefined when none says. */
  readonly crlEndsMs: number | undefined
  /** What will work and is likely not meant. */
  readonly caution: string | undefined
}

/**
 * The material as node:tls takes it, for `createServer`, `setSecureContext` and `createSecureContext` alike.
 *
 * Without a CA of its own a context would trust every public CA, and keep a store of them; hence the empty list.
 * node:tls reads only the first CRL of a text, so each is handed over by itself.
 */
export function secureOptions({ cert, key, ca, crl }: TlsMaterial): SecureContextOptions {
  return { cert, key, ca: ca ?? [], ...(crl === undefined ? {} : { crl: blocksOf(crl, 'X509 CRL') }), minVersion: 'TLSv1.2' }
}

/** Reads and judges. Throws an Error whose message is one sentence: the file, its setting, what is wrong with it. */
export async function readMaterial(files: TlsFiles): Promise<Judged> {
  const { cert: certFile, key: keyFile, ca: caFile, crl: crlFile, own } = files
  if (crlFile !== undefined && caFile === undefined)
    throw new Error(`${named(crlFile)} says whom CAs revoked, but without --tls-ca nobody is asked for a certificate.`)
  // One after the other: of the four threads that read files, a hanging disk shall not hold all.
  const cert = await readText(certFile)
  const key = await readText(keyFile)
  const ca = caFile === undefined ? undefined : await readText(caFile)
  const crl = crlFile === undefined ? undefined : await readText(crlFile)

  const chain = certificatesIn(cert, certFile)
  const certificate = chain[0] as X509Certificate
  assertPair(chain, privateKeyIn(key, keyFile), certFile, keyFile)
  const authorities = ca === undefined ? [] : certificatesIn(ca, caFile as TlsFile)
  const crls = crl === undefined ? [] : blocksOf(crl, 'X509 CRL')
  if (crl !== undefined && crls.length === 0) throw new Error(`${named(crlFile as TlsFile)} holds no certificate revocation list in PEM.`)

  const material: TlsMaterial = {
    cert,
    key,
    ca: own === undefined ? ca : `${own.ca}${ca ?? ''}`,
    crl: own === undefined || crl === undefined ? crl : `${own.crl}${crl}`,
  }
  // In two steps, so that the sentence names the file: what OpenSSL has against the pair, and what against the rest.
  assertTaken({ ...material, ca: undefined, crl: undefined }, certFile)
  if (crlFile !== undefined) assertTaken(material, crlFile)
  else assertTaken(material, caFile ?? certFile)
  return { material, certificate, crlEndsMs: earliest(crls.map(nextUpdateMs)), caution: cautionOf(authorities, crls, files) }
}

/** `/etc/hub/tls.key (--tls-key)` */
export function named({ path, setting }: TlsFile): string {
  return `${path} (${setting})`
}

/** What a failed call of the file system says, without the path, which the sentence has already. */
export function reasonOf(error: unknown): string {
  const { message } = error as Error
  return message
    .replace(/,? (open|stat|read|mkdir|rename|fsync|unlink|access|write|lstat) '.*$/, '')
    .replace(/, (read|write|fsync|fstat)$/, '')
}

async function readText(file: TlsFile): Promise<string> {
  let bytes: Buffer
  try {
    const { size } = await stat(file.path).then((found) => {
      if (!found.isFile()) throw new Error('it is no file') // reading a pipe would wait for ever
      return found
    })
    if (size > limits.certificateFileBytes) throw new Error(`it has ${size} bytes, the limit is ${limits.certificateFileBytes}`)
    bytes = await readFile(file.path)
  } catch (error) {
    throw new Error(`${named(file)} cannot be read: ${reasonOf(error)}.`, { cause: error })
  }
  return bytes.toString('latin1') // PEM is ASCII; what stands between the blocks may be anything
}

function blocksOf(pem: string, label: string): string[] {
  return pem.match(new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`, 'g')) ?? []
}

function certificatesIn(pem: string, file: TlsFile): X509Certificate[] {
  const blocks = blocksOf(pem, 'CERTIFICATE')
  if (blocks.length === 0) throw new Error(`${named(file)} holds no certificate in PEM (-----BEGIN CERTIFICATE-----).`)
  return blocks.map((block, at) => {
    try {
      return new X509Certificate(block)
    } catch (error) {
      throw new Error(`${named(file)}: certificate ${at + 1} of ${blocks.length} cannot be parsed.`, { cause: error })
    }
  })
}

function privateKeyIn(pem: string, file: TlsFile): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem))
    throw new Error(`${named(file)} is encrypted, and the hub has nobody to ask for the passphrase: store the key decrypted.`)
  if (!/-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/.test(pem))
    throw new Error(`${named(file)} holds no private key in PEM (-----BEGIN PRIVATE KEY-----).`)
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new Error(`${named(file)}: the private key cannot be parsed.`, { cause: error })
  }
}

function assertPair(chain: readonly X509Certificate[], key: KeyObject, certFile: TlsFile, keyFile: TlsFile): void {
  const at = chain.findIndex((certificate) => certificate.checkPrivateKey(key))
  if (at === -1) throw new Error(`${named(keyFile)} does not belong to the certificate in ${named(certFile)}.`)
  if (at > 0) throw new Error(`${named(certFile)}: the hub's own certificate is number ${at + 1}, and has to stand first.`)
}

function assertTaken(material: TlsMaterial, file: TlsFile): void {
  try {
    createSecureContext(secureOptions(material))
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string }
    throw new Error(`${named(file)} is refused by OpenSSL: ${reason ?? message}.`, { cause: error })
  }
}

/** Once there is a CRL, OpenSSL wants one of every CA above a client's certificate, and refuses the client otherwise. */
function cautionOf(authorities: readonly X509Certificate[], crls: readonly string[], { ca, crl }: TlsFiles): string | undefined {
  if (ca === undefined || crl === undefined || crls.length >= authorities.length) return undefined
  return (
    `${named(crl)} holds ${crls.length} of the lists that ${authorities.length} CAs in ${named(ca)} need: ` +
    'a client is refused when a CA above it has none.'
  )
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

const [tagInteger, tagUtcTime, tagGeneralizedTime] = [0x02, 0x17, 0x18]

/** RFC 5280 section 5.1: CertificateList { tbsCertList { version?, signature, issuer, thisUpdate, nextUpdate?, … } … }. Node has no reader for it. */
function nextUpdateMs(pem: string): number | undefined {
  const der = Buffer.from(pem.replace(/-----[^-]*-----/g, ''), 'base64')
  const list = elementAt(der, elementAt(der, 0).from)
  let element = elementAt(der, list.from)
  if (element.tag === tagInteger) element = elementAt(der, element.to) // the version
  const issuer = elementAt(der, element.to)
  const thisUpdate = elementAt(der, issuer.to)
  const next = elementAt(der, thisUpdate.to)
  const text = der.toString('latin1', next.from, next.to)
  const digits = next.tag === tagUtcTime ? `${text < '5' ? '20' : '19'}${text}` : next.tag === tagGeneralizedTime ? text : ''
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? []
  return year === undefined ? undefined : Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}

/** One element of DER (X.690 section 8.1): its tag and where its contents lie. */
function elementAt(der: Buffer, at: number): { readonly tag: number; readonly from: number; readonly to: number } {
  const tag = der[at] ?? 0
  const first = der[at + 1] ?? 0
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  const from = at + 2 + lengthBytes
  if (lengthBytes === 0 || lengthBytes > 4 || from > der.length) return { tag, from, to: from + (first < 0x80 ? first : 0) }
  return { tag, from, to: from + der.readUIntBE(at + 2, lengthBytes) }
}
