// What a client's certificate says of whose it is, and whom it proves.
import type { PeerCertificate as NodePeerCertificate } from 'node:tls'
import { isDeviceId } from '../../devices/device.ts'
import type { Credential } from './credential.ts'
import type { Credentials } from './credentials.ts'

/** A peer's certificate after TLS has verified it. */
export interface PeerCertificate {
  /** SHA-256 in capital hex with colons. */
  readonly fingerprint256: string
  readonly commonName: string | undefined
  readonly dnsNames: readonly string[]
  readonly uris: readonly string[]
  /** The name of who issued it, as `nameOf` writes it. */
  readonly issuer: string
  /** Unix ms */
  readonly expiresAt: number
}

/** Which of the names in a certificate of a trusted CA is a device id by itself, without a credential. `nobody`: none is. */
export type CertificateNaming = 'nobody' | 'common-name' | 'dns' | 'uri'

/** Whom a certificate proves: a credential, or a device by its name. `refused`: it was somebody's, and is not any more. */
export type CertificateProof =
  | { readonly is: 'credential'; readonly credential: Credential }
  | { readonly is: 'device'; readonly device: string }
  | { readonly is: 'nobody' }
  | { readonly is: 'refused' }

/** undefined for what node:tls has of a peer without one, and for one whose dates or fingerprint cannot be read. */
export function peerCertificateOf(
  peer: Partial<Pick<NodePeerCertificate, 'fingerprint256' | 'subject' | 'issuer' | 'subjectaltname' | 'valid_to'>>,
): PeerCertificate | undefined {
  const { fingerprint256, subject, issuer, subjectaltname = '', valid_to = '' } = peer
  const expiresAt = Date.parse(valid_to)
  if (fingerprint256 === undefined || Number.isNaN(expiresAt)) return undefined
  const common: unknown = subject?.CN // an array where there are several: which one was meant?
  const names = alternativeNames(subjectaltname)
  const of = (type: string) => names.filter((name) => name.type === type).map(({ value }) => value)
  return {
    fingerprint256: fingerprint256.toUpperCase(),
    commonName: typeof common === 'string' && common !== '' ? common : undefined,
    dnsNames: of('DNS'),
    uris: of('URI'),
    issuer: nameOf(issuer),
    expiresAt,
  }
}

/** Of a name as node:tls has it, one text that is the same for the same name. */
export function nameOf(name: NodePeerCertificate['subject'] | undefined): string {
  return JSON.stringify(name ?? {})
}

/**
 * A pinned fingerprint goes before names. A certificate for which there is a credential that is not valid proves nobody: else its name would
 * bring in whom an operator has disabled. Names that lead to two owners prove nobody, too.
 *
 * @param ownIssuer the hub's own CA. What it issues is pinned: by its names a certificate would bring in whom it was revoked for.
 */
export function proofOf(
  certificate: PeerCertificate,
  credentials: Pick<Credentials, 'byCertificate' | 'hasCertificate'>,
  naming: CertificateNaming,
  ownIssuer: string | undefined,
): CertificateProof {
  const { fingerprint256, commonName, dnsNames, uris, issuer } = certificate
  const pinned = credentials.byCertificate(`fingerprint:${fingerprint256}`)
  if (issuer === ownIssuer) return pinned === undefined ? { is: 'refused' } : { is: 'credential', credential: pinned }
  const subjects = [...(commonName === undefined ? [] : [`cn:${commonName}`]), ...dnsNames.map((name) => `dns:${name}`)]
  for (const names of [[`fingerprint:${fingerprint256}`], [...subjects, ...uris.map((uri) => `uri:${uri}`)]]) {
    const known = names.filter((name) => credentials.hasCertificate(name))
    if (known.length === 0) continue
    const found = known.map((name) => credentials.byCertificate(name))
    const [first] = found
    if (first === undefined || found.some((one) => one?.of.is !== first.of.is || one.of.name !== first.of.name)) return { is: 'nobody' }
    return { is: 'credential', credential: first }
  }
  const named = { nobody: [], 'common-name': commonName === undefined ? [] : [commonName], dns: dnsNames, uri: uris }[naming]
  const [device, another] = named.filter(isDeviceId)
  return device === undefined || another !== undefined ? { is: 'nobody' } : { is: 'device', device }
}

/**
 * The names as node:tls writes them: `DNS:a, URI:b`, and a value in which a comma or a quote could be mistaken as a JSON string
 * (CVE-2021-44532). None at all when the whole cannot be read so.
 */
function alternativeNames(text: string): { readonly type: string; readonly value: string }[] {
  const one = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y
  const names: { type: string; value: string }[] = []
  while (one.lastIndex < text.length) {
    const [, type, value] = one.exec(text) ?? []
    if (type === undefined || value === undefined) return []
    const read = value.startsWith('"') ? unquoted(value) : value
    if (read === undefined) return []
    names.push({ type, value: read })
  }
  return names
}

function unquoted(text: string): string | undefined {
  try {
    return String(JSON.parse(text))
  } catch {
    return undefined
  }
}
