// AUTH, and the exchange it serves: MQTT 5 sections 3.15 and 4.12. A client that names a method in CONNECT proves who it is before CONNACK
// (reason code 0x18), and may do so again while it is connected (0x19). What the bytes of an exchange mean is the method's to know.
import { randomUUID } from 'node:crypto'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { type AuthPacket, encodeAuth } from './codec.ts'
import type { MqttConnection } from './connection.ts'
import { protocolError } from './integers.ts'

/** One way to prove who one is, such as SCRAM-SHA-256. */
export interface AuthenticationMethod {
  /** The Authentication Method of CONNECT, byte for byte. */
  readonly name: string
  begin(): AuthenticationExchange
}

export interface AuthenticationExchange {
  /** Takes the client's next data; undefined when its packet had none. Errors: `Refusal` for a client that is not who it says. */
  next(data: Buffer | undefined): AuthenticationStep
}

export type AuthenticationStep = { readonly is: 'continue'; readonly data: Uint8Array | undefined } | ({ readonly is: 'done' } & Proof)

export interface Proof {
  readonly username: string
  /** For the client, which may want the hub's own proof. */
  readonly data: Uint8Array | undefined
}

const success = 0x00
const continues = 0x18
const again = 0x19

/** What one connection has proven, and the exchange that is under way: one at a time, within bounds. */
export class Authentication {
  readonly method: AuthenticationMethod
  /** Undefined until it is proven. */
  username: string | undefined = undefined
  #exchange: AuthenticationExchange | undefined = undefined
  #steps = 0

  constructor(method: AuthenticationMethod) {
    this.method = method
  }

  get underWay(): boolean {
    return this.#exchange !== undefined
  }

  begin(data: Buffer | undefined): AuthenticationStep {
    this.#steps = 0
    this.#exchange = this.method.begin()
    return this.next(data)
  }

  /** Errors: `authentication-failed`, also for too much data, too many steps, and for someone else than the first time. */
  next(data: Buffer | undefined): AuthenticationStep {
    if (this.#exchange === undefined) throw protocolError('AUTH continues an exchange that was not begun')
    const { authenticationBytes, authenticationSteps } = limits
    if (data !== undefined && data.length > authenticationBytes) {
      throw authenticationFailed(`the data is longer than ${authenticationBytes} bytes (limits.authenticationBytes)`)
    }
    this.#steps++
    if (this.#steps > authenticationSteps) {
      throw authenticationFailed(`it takes more than ${authenticationSteps} steps (limits.authenticationSteps)`)
    }
    const step = this.#exchange.next(data)
    if (step.is === 'continue') return step
    this.#exchange = undefined
    // What the session was given, it was given to this user.
    if (this.username !== undefined && this.username !== step.username) throw authenticationFailed('the connection belongs to another user')
    this.username = step.username
    return step
  }
}

export function authenticationFailed(detail: string): Refusal {
  return new Refusal('authentication-failed', { detail })
}

/** Asks the client of a CONNECT with a method for its proof; `admit` lets it in. Errors: `extended-auth-unsupported`. */
export function authenticate(connection: MqttConnection, name: string, data: Buffer | undefined, admit: (proof: Proof) => void): void {
  const method = connection.engine.methods.get(name)
  if (method === undefined) throw new Refusal('extended-auth-unsupported', { detail: name }) //  5: [MQTT-4.12.0-1]
  const authentication = new Authentication(method)
  connection.authentication = authentication
  connection.authenticating(admit)
  step(connection, authentication, () => authentication.begin(data))
}

export function onAuth(connection: MqttConnection, packet: AuthPacket): void {
  const { authentication, state } = connection
  if (authentication === undefined) throw protocolError('AUTH without an authentication method in CONNECT') //  5: [MQTT-4.12.0-7]
  if (packet.authenticationMethod !== authentication.method.name) {
    throw protocolError('AUTH names another method than CONNECT') //  5: [MQTT-4.12.0-5], [MQTT-4.12.1-1]
  }
  if (packet.reasonCode !== again) step(connection, authentication, () => authentication.next(packet.authenticationData))
  else {
    if (state.is === 'authenticating') throw protocolError('the authentication before CONNACK goes on with 0x18') //  5: [MQTT-4.12.0-3]
    if (authentication.underWay) throw protocolError('a re-authentication is under way and goes on with 0x18')
    step(connection, authentication, () => authentication.begin(packet.authenticationData))
  }
}

/** What fails is told, as every authentication is: one who guesses here has no advantage over others. */
function step(connection: MqttConnection, authentication: Authentication, take: () => AuthenticationStep): void {
  let taken: AuthenticationStep
  try {
    taken = take()
  } catch (error) {
    if (error instanceof Refusal) {
      const { engine, peer } = connection
      // Each exchange has numbers of its own, so a wrong password is presented in another way each time.
      engine.onRefused({ who: authentication.username ?? '', from: peer.address, code: error.code, proof: randomUUID() })
    }
    throw error
  }
  answer(connection, authentication, taken)
}

function answer(connection: MqttConnection, { method }: Authentication, step: AuthenticationStep): void {
  const { state } = connection
  if (step.is === 'done' && state.is === 'authenticating') {
    state.admit(step)
    return
  }
  const reasonCode = step.is === 'done' ? success : continues //  5: [MQTT-4.12.0-2], section 4.12.1
  if (connection.sayWithReason(undefined, () => encodeAuth(reasonCode, method.name, step.data))) return
  throw protocolError(`a Maximum Packet Size of ${connection.packetBytesMax} has no room for AUTH`) //  5: [MQTT-3.1.2-24]
}
