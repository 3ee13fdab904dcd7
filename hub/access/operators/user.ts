// One user, what is written of him, and what may be asked for.
import { limits } from '../../limits.ts'
import { readSecondFactor, type SecondFactor } from './second-factor.ts'

/** What may be seen of a user. Times are Unix ms. */
export interface User {
  readonly name: string
  /** Name of a role; one that is not there allows nothing. */
  readonly role: string
  readonly disabled: boolean
  readonly createdAt: number
}

/** The user, and what he proves himself by. */
export interface KeptUser {
  readonly user: User
  /** The PHC string of the password. */
  readonly hash: string
  /** undefined: the password is enough. */
  readonly secondFactor: SecondFactor | undefined
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/

export function bodyOf({ user: { role, disabled, createdAt }, hash, secondFactor }: KeptUser): string {
  return JSON.stringify({ role, disabled, createdAt, hash, secondFactor })
}

/** undefined for what cannot be read: nobody comes in by it. */
export function readUser(name: string, body: string): KeptUser | undefined {
  const { role, disabled, createdAt, hash, secondFactor: said } = membersOf(body)
  if (!namePattern.test(name) || typeof role !== 'string' || typeof disabled !== 'boolean') return undefined
  if (!Number.isSafeInteger(createdAt) || typeof hash !== 'string' || hash === '') return undefined
  // One that cannot be read does not make a user whose password is enough.
  const secondFactor = said === undefined ? undefined : readSecondFactor(said)
  if (said !== undefined && secondFactor === undefined) return undefined
  return { user: { name, role, disabled, createdAt: createdAt as number }, hash, secondFactor }
}

/** The members of a JSON object; none of anything else. */
export function membersOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** The clause that says what is wrong; undefined when nothing is. */
export function faultOfName(name: string): string | undefined {
  if (namePattern.test(name)) return undefined
  return 'its name is 1 to 64 letters, digits or . _ @ -, and begins with a letter or a digit'
}

/** NIST SP 800-63B: length counts, rules about kinds of characters do not help. */
export function faultOfPassword(name: string, password: string): string | undefined {
  const { userPasswordCharacters, credentialTextBytes } = limits
  if ([...password].length < userPasswordCharacters) return `a password has at least ${userPasswordCharacters} characters`
  if (Buffer.byteLength(password) > credentialTextBytes) return `a password has at most ${credentialTextBytes} bytes`
  const letters = password.toLowerCase()
  if (new Set(letters).size < 4) return 'a password is more than one character again and again'
  const rest = letters.replaceAll(name.toLowerCase(), '')
  if (rest.length < userPasswordCharacters / 2) return 'a password is not the name of its user'
  return undefined
}
