// SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), without channel binding. The hub keeps what a password was turned into, and cannot
// turn it back; the password itself never crosses the wire. An exchange costs the hub four HMACs and no PBKDF2: that is the client's part.
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import { type AuthenticationExchange, type AuthenticationMethod, type AuthenticationStep, authenticationFailed } from './auth.ts'
import { isMqttString } from './utf8.ts'

const methodName = 'SCRAM-SHA-256'
const keyBytes = 32

/** RFC 7677 section 4 asks for 4,096 at least. */
const iterationsMin = 4096
const iterationsMax = 10_000_000
/**
 * For new passwords: four times the least. A laptop computes it in some 5 ms, a microcontroller in seconds, once: it may keep the result,
 * which changes with salt and iterations only (RFC 5802 section 5.1).
 */
const iterationsNew = 16_384
const saltBytes = { min: 8, max: 64, new: 16 } as const

/** What the hub knows of one password. */
export interface Verifier {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

export class ScramSha256 implements AuthenticationMethod {
  readonly name = methodName
  readonly #verifiers: ReadonlyMap<string, Verifier>
  readonly #known: readonly Verifier[]
  readonly #secret = randomBytes(keyBytes)

  constructor(verifiers: ReadonlyMap<string, Verifier>) {
    this.#verifiers = verifiers
    this.#known = [...verifiers.values()]
  }

  begin(): AuthenticationExchange {
    return new ScramExchange((username) => this.#verifierOf(username), randomBytes(18).toString('base64'))
  }

  /**
   * A name that nobody has gets a verifier all the same, until the next start always the same one, so that asking does not tell who is
   * there: salt length and iterations are those of some user, and no client knows what hashes to its stored key.
   */
  #verifierOf(username: string): Verifier {
    const bytes = createHmac('sha512', this.#secret).update(username).digest() // for known names too: it takes the same time
    const like = this.#known[bytes.readUInt32BE() % this.#known.length]
    const invented = {
      iterations: like?.iterations ?? iterationsNew,
      salt: createHmac('sha512', bytes)
        .update('salt')
        .digest()
        .subarray(0, like?.salt.length ?? saltBytes.new),
      storedKey: bytes.subarray(0, keyBytes),
      serverKey: bytes.subarray(keyBytes),
    }
    return this.#verifiers.get(username) ?? invented
  }
}

// RFC 5802 section 7. A mandatory extension (`m=`) is refused, as it must be when it is not known; optional ones are passed over.
const clientFirst =
  /^(?<gs2>(?<flag>n|y|p=[\w.-]+),(?:a=(?<authzid>[^,]+))?,)(?<bare>n=(?<username>[^,]+),r=(?<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,]+)*)$/
const clientFinal = /^(?<unproven>c=(?<binding>[^,]+),r=(?<nonce>[^,]+)(?:,[A-Za-z]=[^,]+)*),p=(?<proof>[^,]+)$/

interface FirstHeard {
  readonly username: string
  readonly verifier: Verifier
  /** Of the client and the hub, one behind the other. */
  readonly nonce: string
  readonly gs2: string
  /** The part of AuthMessage that is known so far. */
  readonly messages: string
}

export class ScramExchange implements AuthenticationExchange {
  readonly #verifierOf: (username: string) => Verifier
  readonly #serverNonce: string
  #first: FirstHeard | undefined = undefined

  constructor(verifierOf: (username: string) => Verifier, serverNonce: string) {
    this.#verifierOf = verifierOf
    this.#serverNonce = serverNonce
  }

  next(data: Buffer | undefined): AuthenticationStep {
    if (this.#first !== undefined) return this.#onFinal(this.#first, textOf(data))
    // The client speaks first; one that sends nothing in CONNECT is asked to.  RFC 4422 section 3
    if (data === undefined || data.length === 0) return { is: 'continue', data: undefined }
    return this.#onFirst(textOf(data))
  }

  #onFirst(text: string): AuthenticationStep {
    const { gs2, flag, authzid, bare, username: encoded, nonce: clientNonce } = clientFirst.exec(text)?.groups ?? {}
    if (gs2 === undefined || flag === undefined || encoded === undefined) throw authenticationFailed('the first message cannot be read')
    if (flag.startsWith('p')) throw authenticationFailed('channel binding is not offered here') // `y` says that a client would have liked it
    const username = nameOf(encoded)
    if (authzid !== undefined && nameOf(authzid) !== username) throw authenticationFailed('nobody acts for another user here')
    const verifier = this.#verifierOf(username)
    const nonce = `${clientNonce}${this.#serverNonce}`
    const serverFirst = `r=${nonce},s=${verifier.salt.toString('base64')},i=${verifier.iterations}`
    this.#first = { username, verifier, nonce, gs2, messages: `${bare},${serverFirst}` }
    return { is: 'continue', data: Buffer.from(serverFirst) }
  }

  #onFinal({ username, verifier, nonce, gs2, messages }: FirstHeard, text: string): AuthenticationStep {
    const { unproven, binding, nonce: nonceAgain, proof } = clientFinal.exec(text)?.groups ?? {}
    if (unproven === undefined || proof === undefined) throw authenticationFailed('the final message cannot be read')
    if (binding !== Buffer.from(gs2).toString('base64')) throw authenticationFailed('the channel binding is not that of the first message')
    if (nonceAgain !== nonce) throw authenticationFailed('the nonce is not that of this exchange')

    const authMessage = `${messages},${unproven}`
    const signature = hmac(verifier.storedKey, authMessage)
    const proven = Buffer.from(proof, 'base64')
    const clientKey = signature.map((byte, at) => byte ^ (proven[at] ?? 0))
    if (proven.length !== keyBytes || !timingSafeEqual(sha256(clientKey), verifier.storedKey)) {
      throw authenticationFailed(`there is no user ${JSON.stringify(username.slice(0, 64))}, or the password is wrong`)
    }
    return { is: 'done', username, data: Buffer.from(`v=${hmac(verifier.serverKey, authMessage).toString('base64')}`) }
  }
}

function textOf(data: Buffer | undefined): string {
  if (data === undefined || !isMqttString(data, 0, data.length)) throw authenticationFailed('the message is not text')
  return data.toString()
}

/** A user name as it stands in a message: comma and equals sign are escaped.  RFC 5802 section 5.1 */
function nameOf(encoded: string): string {
  const name = /=(?!2C|3D)/.test(encoded) ? undefined : prepared(encoded.replaceAll('=2C', ',').replaceAll('=3D', '='))
  if (name === undefined) throw authenticationFailed('the user name cannot be read')
  return name
}

/**
 * A name or password as it is compared: spaces of any kind made plain, then NFKC; undefined when nothing is left or something is not printed.
 *
 * This is SASLprep (RFC 4013) for all text that people write, with three differences. Characters that SASLprep drops without a word (soft
 * hyphen, zero-width joiners) are refused. Text that mixes directions is not refused. What is unassigned is asked of the Unicode version of
 * this Node, not of 3.2.
 */
function prepared(text: string): string | undefined {
  const plain = text.replace(/\p{Zs}/gu, ' ').normalize('NFKC')
  return plain === '' || /[\p{C}\p{Zl}\p{Zp}\ufffc\ufffd]/u.test(plain) ? undefined : plain
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

// ── the file of users ──

const form = 'NAME:SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY'
const mark = `:${methodName}$`
/** npm puts such lines before what a script prints, so its output may be appended to the file as it is. */
const comment = /^[#>]/

/** The line of a user, as `readVerifiers` takes it. Errors: a sentence for a name or password that cannot be used. */
export function verifierLine(name: string, password: string): string {
  const [username, secret] = [prepared(name), prepared(password)]
  if (username === undefined || comment.test(username)) {
    throw new Error('A user name has at least one character, all of them printed ones, and does not begin with # or >.')
  }
  if (secret === undefined) throw new Error('A password has at least one character, and all of them are printed ones.')
  const salt = randomBytes(saltBytes.new)
  const salted = pbkdf2Sync(secret, salt, iterationsNew, keyBytes, 'sha256')
  const storedKey = sha256(hmac(salted, 'Client Key'))
  const serverKey = hmac(salted, 'Server Key')
  const [s, k, v] = [salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'))
  return `${username}${mark}${iterationsNew}:${s}$${k}:${v}`
}

/**
 * Users and their verifiers, one a line, in the form in which PostgreSQL keeps them; empty lines and those that begin with # or > are passed
 * over. Errors: a sentence that names the file, the line and the reason; what stands in the line is a secret and is not repeated.
 */
export function readVerifiers(text: string, file: string): Map<string, Verifier> {
  const verifiers = new Map<string, Verifier>()
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || comment.test(line)) continue
    try {
      const markAt = line.lastIndexOf(mark)
      if (markAt === -1) throw new Error(`a user is ${form}`)
      const name = line.slice(0, markAt)
      if (prepared(name) !== name)
        throw new Error('the name is empty, not in Unicode normal form NFKC, or has characters that are not printed')
      if (verifiers.has(name)) throw new Error('the name stands in an earlier line')
      verifiers.set(name, verifierOf(line.slice(markAt + mark.length)))
    } catch (error) {
      throw new Error(`${file}, line ${at + 1}: ${(error as Error).message}.`)
    }
  }
  return verifiers
}

function verifierOf(text: string): Verifier {
  const [, digits, salt, storedKey, serverKey] = /^([^:$]*):([^:$]*)\$([^:$]*):([^:$]*)$/.exec(text) ?? []
  if (digits === undefined) throw new Error(`a user is ${form}`)
  const iterations = Number(digits)
  if (!/^\d+$/.test(digits) || iterations < iterationsMin || iterations > iterationsMax) {
    throw new Error(`the iterations are a number from ${iterationsMin} to ${iterationsMax}`)
  }
  return {
    iterations,
    salt: bytesOf('the salt', salt, saltBytes.min, saltBytes.max),
    storedKey: bytesOf('the stored key', storedKey, keyBytes, keyBytes),
    serverKey: bytesOf('the server key', serverKey, keyBytes, keyBytes),
  }
}

function bytesOf(what: string, text: string | undefined, min: number, max: number): Buffer {
  const bytes = Buffer.from(text ?? '', 'base64')
  if (bytes.toString('base64') === text && bytes.length >= min && bytes.length <= max) return bytes
  throw new Error(`${what} is not ${min === max ? min : `${min} to ${max}`} bytes in base64`)
}
