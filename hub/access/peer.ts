// What is known of a peer before it has said anything in its protocol: its address, its certificate, and the head of its request.
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type PeerCertificate, peerCertificateOf } from './certificate.ts'

export interface Peer {
  /** Without a port. */
  readonly address: string
  /** The host that its request was sent to; undefined where it sent none. */
  readonly host: string | undefined
  readonly certificate: PeerCertificate | undefined
}

/** The address in `address:port` as connections are called: `127.0.0.1:50312`, `[::1]:50312`, `::1:50312`. */
export function addressIn(name: string): string {
  if (name.startsWith('[')) return name.slice(1, name.indexOf(']'))
  const end = name.lastIndexOf(':')
  return end === -1 ? name : name.slice(0, end)
}

/** Of an address, with or without `:port` behind it. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address.startsWith('::ffff:127.') || address === '::1' || address.startsWith('[::1]')
}

/** Of a peer whose certificate TLS has verified; undefined for one that has shown none. */
export function certificateOf(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  return peerCertificateOf(socket.getPeerCertificate())
}

/** Of a socket, or what HTTP/2 shows in its place. */
export function isTls(socket: Socket): boolean {
  return socket instanceof TLSSocket
}

/**
 * What a request's Authorization presents: Bearer (RFC 6750), Token, which is InfluxDB's word for it, or Basic (RFC 7617). Another scheme
 * presents a token that nobody has; a token that is empty is none, as Telegraf sends it when it was given none.
 */
export function authorizationOf(header: string | undefined): {
  readonly token: string | undefined
  readonly username: string | undefined
  readonly password: Uint8Array | undefined
} {
  const nothing = { token: undefined, username: undefined, password: undefined }
  if (header === undefined) return nothing
  const [, scheme = '', given = ''] = /^(\S+) +(\S+) *$/.exec(header) ?? []
  if (/^(bearer|token) *$/i.test(header)) return nothing
  if (scheme.toLowerCase() !== 'basic') return { ...nothing, token: /^(bearer|token)$/i.test(scheme) ? given : '' }
  const pair = Buffer.from(given, 'base64')
  const colon = pair.indexOf(':')
  if (colon === -1) return { ...nothing, token: '' }
  return { token: undefined, username: pair.toString('utf8', 0, colon), password: pair.subarray(colon + 1) }
}
