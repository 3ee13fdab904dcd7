// The client's side of SCRAM-SHA-256, written from RFC 5802 and RFC 7677; nothing of it is the hub's.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const saltedPassword = (password: string, salt: Buffer, iterations: number) => pbkdf2Sync(password, salt, iterations, 32, 'sha256')

/** What a server keeps of a password, in PostgreSQL's form. The least iterations, because tests need no slow guesses. */
export function verifierOf(password: string, salt: Buffer = randomBytes(16), iterations = 4096): string {
  const salted = saltedPassword(password, salt, iterations)
  const [storedKey, serverKey] = [hash(hmac(salted, 'Client Key')), hmac(salted, 'Server Key')]
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey.toString('base64')}:${serverKey.toString('base64')}`
}

export class ScramClient {
  readonly #password: string
  readonly #gs2: string
  readonly #bare: string
  /** What the server must say at the end, once `final` was called. */
  serverFinal = ''

  constructor(username: string, password: string, { gs2 = 'n,,', nonce = randomBytes(18).toString('base64'), extensions = '' } = {}) {
    this.#password = password
    this.#gs2 = gs2
    this.#bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}${extensions}`
  }

  get first(): string {
    return this.#gs2 + this.#bare
  }

  /** `change` spoils the message before it is proven, so that nothing but what was changed can be wrong with it. */
  final(serverFirst: string, change = (unproven: string) => unproven): string {
    const {
      nonce = '',
      salt = '',
      iterations = '',
    } = /^r=(?<nonce>[^,]+),s=(?<salt>[^,]+),i=(?<iterations>\d+)$/.exec(serverFirst)?.groups ?? {}
    const salted = saltedPassword(this.#password, Buffer.from(salt, 'base64'), Number(iterations))
    const clientKey = hmac(salted, 'Client Key')
    const unproven = change(`c=${Buffer.from(this.#gs2).toString('base64')},r=${nonce}`)
    const authMessage = `${this.#bare},${serverFirst},${unproven}`
    const signature = hmac(hash(clientKey), authMessage)
    this.serverFinal = `v=${hmac(hmac(salted, 'Server Key'), authMessage).toString('base64')}`
    return `${unproven},p=${Buffer.from(clientKey.map((byte, at) => byte ^ signature[at]!)).toString('base64')}`
  }
}
