// Makes certificates, in a thread of its own: loading the library takes 0.2 s and 20 MB, and both are gone once the thread has ended.
// Run by authority.ts alone: on the first start, when the host's certificate is renewed, and when a device is given one.
import 'reflect-metadata' // the library wants it before itself
import { createPrivateKey, createPublicKey, KeyObject, randomBytes } from 'node:crypto'
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

/** One for this host, or one that a device shows; or a list of what the CA revoked that names nothing. */
export type IssueRequest =
  | {
      readonly is: 'host'
      /** The CA that signs, or what to make it of. */
      readonly authority: Pair | Wanted
      readonly host: Wanted & { readonly names: readonly string[] }
    }
  | {
      readonly is: 'client'
      readonly authority: Pair
      readonly client: Wanted & {
        readonly uri: string
        /** PEM, whose key it is for; undefined for a key that is made here. */
        readonly csr: string | undefined
      }
    }
  | { readonly is: 'list'; readonly authority: Pair; readonly fromMs: number; readonly toMs: number }

/** What each of them is answered by. */
export interface Issued {
  readonly host: { readonly authority: Pair; readonly host: Pair }
  /** `key` is undefined where the CSR brought its own; `fault` says in a clause what is wrong with that. */
  readonly client: { readonly cert: string; readonly key: string | undefined } | { readonly fault: string }
  /** PEM */
  readonly list: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

async function issue(request: IssueRequest): Promise<Issued[IssueRequest['is']]> {
  const { authority: given } = request
  if (request.is === 'client') return makeClient(request.authority, request.client)
  if (request.is === 'list') return makeList(request)
  const authority = 'cert' in given ? given : await makeAuthority(given)
  return { authority, host: await makeHost(authority, request.host) }
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
async function makeHost(authority: Pair, wanted: Extract<IssueRequest, { is: 'host' }>['host']): Promise<Pair> {
  const keys = await newKeys()
  return pairOf(await sign(authority, wanted, keys.publicKey, x509.ExtendedKeyUsage.serverAuth, wanted.names.map(generalName)), keys)
}

/** What a device shows as a client: it names the device, and is good for nothing else. */
async function makeClient(authority: Pair, wanted: Extract<IssueRequest, { is: 'client' }>['client']): Promise<Issued['client']> {
  const names = [{ type: 'url', value: wanted.uri }] as const
  const purpose = x509.ExtendedKeyUsage.clientAuth
  if (wanted.csr === undefined) {
    const keys = await newKeys()
    return pairOf(await sign(authority, wanted, keys.publicKey, purpose, names), keys)
  }
  const asked = await keyIn(wanted.csr)
  if ('fault' in asked) return asked
  const certificate = await sign(authority, wanted, asked.publicKey, purpose, names)
  return { cert: pemOf(certificate), key: undefined }
}

/** RFC 5280 section 5.1. Whatever the CA has signed is good by it; what a certificate opens is asked elsewhere. */
async function makeList({ authority, fromMs, toMs }: Extract<IssueRequest, { is: 'list' }>): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: new x509.X509Certificate(authority.cert).subjectName,
    thisUpdate: new Date(fromMs),
    nextUpdate: new Date(toMs),
    signingAlgorithm: algorithm,
    signingKey: await signingKeyOf(authority),
  })
  return `${list.toString('pem').replaceAll(' CRL-----', ' X509 CRL-----')}\n` // the label that OpenSSL reads (RFC 7468 section 6)
}

/** By a CSR (RFC 2986) somebody shows that he has the key. Its names count for nothing: whose it is says who is asked for it. */
async function keyIn(csr: string): Promise<{ readonly publicKey: x509.PublicKey } | { readonly fault: string }> {
  let publicKey: x509.PublicKey
  try {
    const request = new x509.Pkcs10CertificateRequest(csr)
    if (!(await request.verify())) return { fault: 'the CSR is not signed by its own key' }
    publicKey = request.publicKey
  } catch {
    return { fault: 'the CSR cannot be read: it is PEM (-----BEGIN CERTIFICATE REQUEST-----), with a key of RSA, ECDSA or Ed25519' }
  }
  const fault = faultOfKey(createPublicKey({ key: Buffer.from(publicKey.rawData), format: 'der', type: 'spki' }))
  return fault === undefined ? { publicKey } : { fault }
}

const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/** What OpenSSL would refuse in a handshake, and what costs the loop more there than a key is worth. */
function faultOfKey({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): string | undefined {
  const { namedCurve = '', modulusLength = 0, publicExponent = 0n } = details
  if (type === 'ed25519') return undefined
  if (type === 'ec') return curves.includes(namedCurve) ? undefined : 'the curve of its key is P-256, P-384 or P-521'
  if (type !== 'rsa') return 'its key is of RSA, ECDSA or Ed25519'
  if (modulusLength < 2048 || modulusLength > 4096) return `an RSA key has 2048 to 4096 bits, and this one ${modulusLength}`
  return publicExponent < 65_537n || publicExponent > 0xffff_ffffn ? 'the exponent of an RSA key is 65537' : undefined
}

/** RFC 5280 section 4.2: for one purpose, and no CA. */
async function sign(
  authority: Pair,
  wanted: Wanted,
  publicKey: CryptoKey | x509.PublicKey,
  purpose: x509.ExtendedKeyUsage,
  names: readonly x509.JsonGeneralName[],
): Promise<x509.X509Certificate> {
  const issuer = new x509.X509Certificate(authority.cert)
  return x509.X509CertificateGenerator.create({
    ...common(wanted),
    subject: [{ CN: [wanted.commonName] }],
    issuer: issuer.subjectName,
    publicKey,
    signingKey: await signingKeyOf(authority),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([purpose]),
      new x509.SubjectAlternativeNameExtension([...names]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
}

function signingKeyOf({ key }: Pair): Promise<CryptoKey> {
  const pkcs8 = new Uint8Array(createPrivateKey(key).export({ type: 'pkcs8', format: 'der' }))
  return crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
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

function pairOf(certificate: x509.X509Certificate, { privateKey }: CryptoKeyPair): Pair {
  return { cert: pemOf(certificate), key: KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString() }
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

parentPort?.postMessage(await issue(workerData as IssueRequest))
