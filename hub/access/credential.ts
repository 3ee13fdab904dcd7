// One credential, and what is written of it.
import { isDeviceId } from '../../devices/device.ts'
import { isLikeToken } from './token.ts'

/** Whose it is. */
export interface Owner {
  /** `key`: a program with an API key. */
  readonly is: 'device' | 'key'
  readonly name: string
}

/** What may be seen of a credential. Times are Unix ms. */
export interface Credential {
  readonly id: string
  readonly of: Owner
  readonly kind: 'token' | 'password' | 'certificate'
  /** The user name that goes with a password; `fingerprint:AB…`, `cn:…`, `dns:…` or `uri:…` of a certificate; empty for a token. */
  readonly name: string
  readonly role: string
  readonly label: string
  readonly createdAt: number
  /** Valid from this moment on … */
  readonly from: number
  /** … until before this one; undefined for ever. */
  readonly until: number | undefined
  readonly disabled: boolean
}

/** The credential, and what proves it: the hash of a token, the PHC string of a password; empty for a certificate, whose name proves it. */
export interface Kept {
  readonly credential: Credential
  readonly hash: string
}

const certificateName = /^(fingerprint:[0-9A-F]{2}(:[0-9A-F]{2}){31}|cn:.+|dns:.+|uri:.+)$/

export function bodyOf({ credential, hash }: Kept): string {
  const { id, ...written } = credential
  return JSON.stringify({ ...written, hash })
}

/** undefined for what cannot be read: it opens nothing. */
export function readKept(id: string, body: string): Kept | undefined {
  const read = parsed(body)
  if (read === undefined || !isOwner(read['of'])) return undefined
  const { of, kind, name, role, label, createdAt, from, until, disabled, hash } = read
  if (kind !== 'token' && kind !== 'password' && kind !== 'certificate') return undefined
  if (typeof name !== 'string' || typeof role !== 'string' || typeof label !== 'string' || typeof hash !== 'string') return undefined
  if (!isTime(createdAt) || !isTime(from) || (until !== undefined && !isTime(until)) || typeof disabled !== 'boolean') return undefined
  if ((hash === '') !== (kind === 'certificate') || (name === '') !== (kind === 'token')) return undefined
  if (kind === 'certificate' && !certificateName.test(name)) return undefined
  const owner = { is: of.is, name: of.name }
  return { credential: { id, of: owner, kind, name, role, label, createdAt, from, until, disabled }, hash }
}

/** What somebody asks for. */
export interface Wanted {
  readonly of: Owner
  readonly kind: Credential['kind']
  /** As in `Credential`. */
  readonly name?: string
  /** Made by the hub when it is left out. */
  readonly password?: string
  readonly role: string
  readonly label?: string
  readonly from?: number
  readonly until?: number
}

/** A shorter one is found in a list of common passwords, whatever its hash costs.  NIST SP 800-63B section 3.1.1.2 */
const passwordLengthMin = 8

/** The clause that says what is wrong with it; undefined when nothing is. */
export function faultOf(wanted: Wanted, nowMs: number, bytesMax: number): string | undefined {
  const { of, kind, name = '', password, role, label = '', from = nowMs, until } = wanted
  const isText = (text: string) => Buffer.byteLength(text) <= bytesMax && !/[\p{Cc}\p{Cs}]/u.test(text)
  if (of.is === 'device' && !isDeviceId(of.name)) return 'its owner is no device id: 1 to 128 letters, digits or . _ : @ -'
  if (of.name === '' || ![of.name, name, role, label, password ?? ''].every(isText))
    return `names, passwords and labels are text of at most ${bytesMax} bytes without control characters`
  if (password !== undefined && kind !== 'password') return 'a password goes with a user name'
  if (password !== undefined && password.length < passwordLengthMin) return `a password has at least ${passwordLengthMin} characters`
  if (kind === 'token' && name !== '') return 'a token has no name'
  if (kind === 'password' && (name === '' || isLikeToken(name))) return 'a password needs a user name, and one that is no token'
  if (kind === 'certificate' && !certificateName.test(name))
    return 'a certificate is named by fingerprint: and the 32 bytes of its SHA-256 in capital hex with colons, or by cn:, dns: or uri: and a name'
  if (!isTime(from) || (until !== undefined && (!isTime(until) || until <= from || until <= nowMs)))
    return 'it is valid from a moment until a later one, in Unix ms, that is still to come'
  return undefined
}

export function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== 'object' || value === null) return false
  const { is, name } = value as Readonly<Record<string, unknown>>
  return typeof name === 'string' && name !== '' && (is === 'key' || (is === 'device' && isDeviceId(name)))
}

function parsed(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}
