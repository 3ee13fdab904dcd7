// Certificates for tests: a CA that signs what it is asked to sign, sound or not, and lists what it revoked.
import 'reflect-metadata' // the library wants it before itself
import { KeyObject, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import * as x509 from '@peculiar/x509'
import type { CertificateOptions } from '../../hub/listen/certificates.ts'
import { newFolder } from './hub.ts'

export interface TestCertificate {
  readonly cert: string
  readonly key: string
  readonly serial: string
}

interface Wanted {
  /** For subjectAltName; a name alone makes a client's certificate. */
  readonly names?: readonly string[]
  readonly fromMs?: number
  readonly toMs?: number
  readonly algorithm?: Algorithm
}

const dayMs = 24 * 3600 * 1000
const elliptic = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
/** Too short to be taken by OpenSSL today. */
export const shortRsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) }

export class TestAuthority {
  readonly cert: string
  readonly #certificate: x509.X509Certificate
  readonly #keys: CryptoKeyPair

  private constructor(certificate: x509.X509Certificate, keys: CryptoKeyPair) {
    this.cert = `${certificate.toString('pem')}\n`
    this.#certificate = certificate
    this.#keys = keys
  }

  static async make(name: string): Promise<TestAuthority> {
    const keys = await newKeys(elliptic)
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({ ...times({}), name: [{ CN: [name] }], keys, ...authority() })
    return new TestAuthority(certificate, keys)
  }

  /** A CA below this one. */
  async makeIntermediate(name: string): Promise<TestAuthority> {
    const keys = await newKeys(elliptic)
    return new TestAuthority(await this.#sign(name, keys, {}, authority().extensions), keys)
  }

  async issue(name: string, wanted: Wanted = {}): Promise<TestCertificate> {
    const keys = await newKeys(wanted.algorithm ?? elliptic)
    const names = (wanted.names ?? []).map((value) => ({ type: isIP(value) === 0 ? x509.DNS : x509.IP, value }) as x509.JsonGeneralName)
    const certificate = await this.#sign(name, keys, wanted, names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)])
    const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()
    return { cert: `${certificate.toString('pem')}\n`, key, serial: certificate.serialNumber }
  }

  /** A list of what this CA revoked, in PEM. */
  async revoke(serials: readonly string[], nextUpdateMs = Date.now() + dayMs): Promise<string> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subjectName,
      thisUpdate: new Date(Date.now() - 2 * dayMs),
      nextUpdate: new Date(nextUpdateMs),
      entries: serials.map((serialNumber) => ({ serialNumber })),
      signingAlgorithm: elliptic,
      signingKey: this.#keys.privateKey,
    })
    return `${list.toString('pem').replaceAll(' CRL-----', ' X509 CRL-----')}\n` // the label that OpenSSL reads (RFC 7468 section 6)
  }

  #sign(name: string, keys: CryptoKeyPair, wanted: Wanted, extensions: x509.Extension[]): Promise<x509.X509Certificate> {
    const issuer = this.#certificate.subjectName
    const { publicKey } = keys
    const signingKey = this.#keys.privateKey
    return x509.X509CertificateGenerator.create({ ...times(wanted), subject: [{ CN: [name] }], issuer, publicKey, signingKey, extensions })
  }
}

/** Certificates in files of a new folder, as settings name them. */
export interface CertificateFiles extends CertificateOptions {
  write(what: 'cert' | 'key' | 'ca' | 'crl', pem: string): void
  writePair(pair: TestCertificate): void
}

export function filesOf(t: TestContext, pair: TestCertificate, more: { ca?: string; crl?: string } = {}): CertificateFiles {
  const folder = newFolder(t)
  const path = (what: string) => join(folder, `${what}.pem`)
  const files: CertificateFiles = {
    folder,
    names: [],
    cert: path('cert'),
    key: path('key'),
    ca: more.ca === undefined ? '' : path('ca'),
    crl: more.crl === undefined ? '' : path('crl'),
    write: (what, pem) => writeFileSync(path(what), pem),
    writePair({ cert, key }) {
      files.write('cert', cert)
      files.write('key', key)
    },
  }
  files.writePair(pair)
  if (more.ca !== undefined) files.write('ca', more.ca)
  if (more.crl !== undefined) files.write('crl', more.crl)
  return files
}

function authority() {
  return {
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  }
}

function times({ fromMs = Date.now() - dayMs, toMs = Date.now() + 90 * dayMs }: Wanted) {
  const serialNumber = `40${randomBytes(8).toString('hex')}`
  return { serialNumber, notBefore: new Date(fromMs), notAfter: new Date(toMs), signingAlgorithm: elliptic }
}

function newKeys(algorithm: Algorithm): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm as EcKeyGenParams, true, ['sign', 'verify'])
}
