// Makes certificates, in a thread of its own: loading the library takes 0.2 s and 20 MB, and both are gone once the thread has ended.
// Run by authority.ts alone, on the first start and when the host's certificate is renewed.
import 'reflect-metadata' // the library wants it before itself
import { createPrivateKey, KeyObject, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import * as x509 from '@peculiar/x509'

/** A certificate and its private key, both PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** Of a certificate that is to be made. */
export interface Wanted {
  readonly commonName: string
  readonly fromMs: number
  readonly toMs: number
}

export interface IssueRequest {
  /** The CA that signs, or what to make it of. */
  readonly authority: Pair | Wanted
  readonly host: Wanted & { readonly names: readonly string[] }
}

export interface Issued {
  readonly authority: Pair
  readonly host: Pair
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

async function issue({ authority: given, host }: IssueRequest): Promise<Issued> {
  const authority = 'cert' in given ? given : await makeAuthority(given)
  return { authority, host: await makeHost(authority, host) }
}

/** RFC 5280 section 4.2.1: a CA that signs certificates and CRLs, and no further CAs. */
async function makeAuthority(wanted: Wanted): Promise<Pair> {
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...common(wanted),
    name: [{ CN: [wanted.commonName] }],
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return pairOf(certificate, keys)
}

/** A server's certificate. Clients go by subjectAltName (RFC 9525 section 2); the common name is for people. */
async function makeHost(authority: Pair, wanted: IssueRequest['host']): Promise<Pair> {
  const keys = await newKeys()
  const issuer = new x509.X509Certificate(authority.cert)
  const certificate = await x509.X509CertificateGenerator.create({
    ...common(wanted),
    subject: [{ CN: [wanted.commonName] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await crypto.subtle.importKey('pkcs8', derOf(authority.key), algorithm, false, ['sign']),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(wanted.names.map(generalName)),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return pairOf(certificate, keys)
}

function generalName(name: string): x509.JsonGeneralName {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name }
}

function common({ fromMs, toMs }: Wanted) {
  // RFC 5280 section 4.1.2.2: positive and at most 20 bytes. The first byte is set so that it is neither negative nor 0.
  const serial = randomBytes(16)
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40
  return { serialNumber: serial.toString('hex'), notBefore: new Date(fromMs), notAfter: new Date(toMs), signingAlgorithm: algorithm }
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

function derOf(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createPrivateKey(key).export({ type: 'pkcs8', format: 'der' }))
}

function pairOf(certificate: x509.X509Certificate, { privateKey }: CryptoKeyPair): Pair {
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

parentPort?.postMessage(await issue(workerData as IssueRequest))
