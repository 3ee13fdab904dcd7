// Bearer tokens: 256 random bits in text that can be told from anything else, and the keyed hash under which the hub knows them.
import { createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** What a token is for: a device or a program proves who it is, or a device meets the hub for the first time, by a key or to be claimed. */
export type TokenPrefix = 'mrg_' | 'mrp_' | 'mrc_'

const randomByteCount = 32
const checkLength = 6
/** A prefix that scanners of source code can look for, 43 characters of base64url, and 6 of a checksum. */
const shape = /^mr[gpc]_[A-Za-z0-9_-]{49}$/
export const tokenLength = 4 + 43 + checkLength

export function makeToken(prefix: TokenPrefix): string {
  const text = `${prefix}${randomBytes(randomByteCount).toString('base64url')}`
  return text + checkOf(text)
}

/** False for what was mistyped or cut off, without a look at what is known: no secret is needed to say so, and nothing is learnt from it. */
export function isToken(text: string, prefix: TokenPrefix): boolean {
  if (text.length !== tokenLength || !text.startsWith(prefix) || !shape.test(text)) return false
  return checkOf(text.slice(0, -checkLength)) === text.slice(-checkLength)
}

/** Somebody meant it for a token, be it whole or not: it is never taken for a user name, and never logged. */
export function isLikeToken(text: string): boolean {
  return /^mr[gpc]_/.test(text)
}

/** CRC-32, as the checksums of other makers' tokens: it finds slips of the hand and proves nothing. */
function checkOf(text: string): string {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes.toString('base64url')
}

/**
 * HMAC-SHA-256 under a secret of the hub. A token has 256 random bits, so nobody finds it by trying, and a slow hash would add nothing; the
 * key makes hashes of a database that got lost useless for telling which of two hubs a token belongs to. To find a hash in a Map takes
 * longer or shorter by what is in the Map, not by how much of the token was right.
 */
export function tokenHash(key: KeyObject, token: string): string {
  return createHmac('sha256', key).update(token).digest('base64url')
}
