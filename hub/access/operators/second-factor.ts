// The second factor of a user: six digits that his phone and the hub make of one secret and the time, and codes on paper for when it is lost.
// RFC 6238 with what every app for it takes: SHA-1, 6 digits, steps of 30 s.
import { type KeyObject, randomInt } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { limits } from '../../limits.ts'
import { tokenHash } from '../token.ts'

/** What is written of it. */
export interface SecondFactor {
  /** 160 bits in base32. Codes are made of it, so it lies there as it is: a hash would be of no use. */
  readonly secret: string
  /** The newest step of time whose code was taken. A code is good once, and so is none before it. */
  readonly step: number
  /** Keyed hashes of the recovery codes that are left. */
  readonly recovery: readonly string[]
}

const secretBytes = 20
const secretShape = /^[A-Z2-7]{32}$/
const issuer = 'Mooring'
/** One before and one after: clocks of phones, and people who type slowly. RFC 6238 section 5.2. */
const stepsAround = 1
const digits = /^\d{6}$/

/** Crockford's base32: no letter is taken for a digit. 16 of them are 80 bits, which nobody finds by trying. */
const characters = '0123456789abcdefghjkmnpqrstvwxyz'
const recoveryCharacters = 16

export function newSecret(): string {
  return new Secret({ size: secretBytes }).base32
}

/** What the QR code says. `account`: what the app shows beside the name of the hub. */
export function uriOf(secret: string, account: string): string {
  return new TOTP({ issuer, label: account, secret }).toString()
}

/** As people type it: with spaces in the middle. */
export function isDigits(code: string): boolean {
  return digits.test(bare(code))
}

/** The step that the digits are of, when it is later than `after`; undefined where they are wrong, or used. */
export function stepOf(secret: string, code: string, nowMs: number, after: number): number | undefined {
  if (!isDigits(code)) return undefined
  const delta = new TOTP({ secret }).validate({ token: bare(code), timestamp: nowMs, window: stepsAround })
  const step = delta === null ? undefined : TOTP.counter({ timestamp: nowMs }) + delta
  return step !== undefined && step > after ? step : undefined
}

export function newRecoveryCodes(): string[] {
  return Array.from({ length: limits.recoveryCodes }, () => {
    const letters = Array.from({ length: recoveryCharacters }, () => characters[randomInt(characters.length)]).join('')
    return (letters.match(/.{4}/g) as string[]).join('-')
  })
}

/** The same for every way to write it: with or without strokes, in capitals, with letters that look like a digit. */
export function recoveryHash(key: KeyObject, user: string, code: string): string {
  const written = bare(code).toLowerCase().replaceAll(/[il]/g, '1').replaceAll('o', '0')
  return tokenHash(key, `recovery ${user} ${written}`)
}

/** undefined for what cannot be read. */
export function readSecondFactor(value: unknown): SecondFactor | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { secret, step, recovery } = value as Partial<SecondFactor>
  if (typeof secret !== 'string' || !secretShape.test(secret) || !Number.isSafeInteger(step)) return undefined
  if (!Array.isArray(recovery) || !recovery.every((hash) => typeof hash === 'string')) return undefined
  return { secret, step: step as number, recovery }
}

function bare(code: string): string {
  return code.replaceAll(/[\s-]/g, '')
}
