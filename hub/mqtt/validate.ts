// The rules of the rarer packets, checked on their raw bytes before `mqtt-packet` decodes them: it lets through invalid UTF-8, trailing
// bytes, foreign and repeated properties, and values that are not allowed. What passes here, it reads without complaint.
import { Refusal } from '../errors.ts'
import { lengthPrefixedEnd, malformed, protocolError } from './integers.ts'
import type { ProtocolVersion, UserProperties } from './packets.ts'
import { forwardable, saw, scannedUserProperties, scanProperties } from './properties.ts'
import { readPacketId } from './publish-codec.ts'
import { isMqttString } from './utf8.ts'

export interface Protocol {
  readonly version: ProtocolVersion
  readonly bridge: boolean
  /** The position behind the protocol level. */
  readonly next: number
}

/** Protocol name and level, with which every CONNECT of every version begins. Errors: `version-unsupported` for pairs not spoken here. */
export function readProtocol(buffer: Buffer, at: number, end: number): Protocol {
  const nameEnd = lengthPrefixedEnd(buffer, at, end, 'the protocol name')
  if (nameEnd === end) throw malformed('the protocol level is missing')
  const name = buffer.toString('latin1', at + 2, nameEnd)
  const level = buffer[nameEnd]!
  // Mosquitto and others mark a bridge with the highest bit of the level, in MQTT 3 only.
  const bridge = level >= 0x80
  const next = nameEnd + 1
  if (name === 'MQTT' && level === 5) return { version: 5, bridge: false, next } // 5: [MQTT-3.1.2-1] [MQTT-3.1.2-2]
  if (name === 'MQTT' && (level & 0x7f) === 4) return { version: 4, bridge, next }
  if (name === 'MQIsdp' && (level & 0x7f) === 3) return { version: 3, bridge, next }
  throw new Refusal('version-unsupported', { detail: `${JSON.stringify(name.slice(0, 16))} with level ${level}` })
}

/** What `mqtt-packet` would lose or does not keep in order. */
export interface CheckedConnect {
  readonly userProperties: UserProperties
  /** A copy. */
  readonly willProperties: Buffer | undefined
}

/** MQTT 5 and 3.1.1, section 3.1. */
export function checkConnect(version: ProtocolVersion, buffer: Buffer, at: number, end: number): CheckedConnect {
  if (at + 3 > end) throw malformed('CONNECT is cut off')
  const flags = buffer[at]!
  const has = { username: (flags & 0x80) !== 0, password: (flags & 0x40) !== 0, will: (flags & 0x04) !== 0 }
  if ((flags & 1) !== 0) throw malformed('the reserved flag of CONNECT is set') // 5: [MQTT-3.1.2-3]
  if (!has.will && (flags & 0x38) !== 0) throw malformed('there are will flags without a will') // 5: [MQTT-3.1.2-11] [MQTT-3.1.2-13]
  if ((flags & 0x18) === 0x18) throw malformed('the QoS of a will is 0, 1 or 2') // 5: [MQTT-3.1.2-12]
  if (version !== 5 && has.password && !has.username) {
    throw protocolError('there is a password without a user name') // 3.1.1: [MQTT-3.1.2-22]
  }

  let next = at + 3 // flags and keep-alive
  let userProperties: UserProperties = []
  if (version === 5) {
    next = scanProperties('connect', buffer, next, end)
    if (saw('authenticationData') && !saw('authenticationMethod')) {
      throw protocolError('there is Authentication Data without an Authentication Method') // 5: section 3.1.2.11.10
    }
    userProperties = scannedUserProperties(buffer)
  }
  next = stringEnd(buffer, next, end, 'the client identifier') // 5: [MQTT-3.1.3-4]
  let willProperties: Buffer | undefined
  if (has.will) {
    if (version === 5) {
      next = scanProperties('will', buffer, next, end)
      const view = forwardable(buffer)
      if (view !== undefined) willProperties = Buffer.from(view)
    }
    next = stringEnd(buffer, next, end, 'the will topic') // 5: [MQTT-3.1.3-11]
    next = lengthPrefixedEnd(buffer, next, end, 'the will payload')
  }
  if (has.username) next = stringEnd(buffer, next, end, 'the user name') // 5: [MQTT-3.1.3-12]
  if (has.password) next = lengthPrefixedEnd(buffer, next, end, 'the password')
  if (next !== end) throw malformed('bytes follow the last field of CONNECT')
  return { userProperties, willProperties }
}

/** MQTT 3.1 asks for 1 to 23 characters; like other servers we take more, but have no name to give to a client without one. */
export function checkClientId(version: ProtocolVersion, clientId: string, cleanStart: boolean): void {
  if (clientId !== '') return
  if (version === 3) throw new Refusal('client-id-invalid', { detail: 'MQTT 3.1 needs one' })
  if (version === 4 && !cleanStart) {
    throw new Refusal('client-id-invalid', { detail: 'a session that is to be kept needs one' }) // 3.1.1: [MQTT-3.1.3-8]
  }
}

/** MQTT 5 and 3.1.1, section 3.8. Returns the user properties, which `mqtt-packet` does not keep in order. */
export function checkSubscribe(version: ProtocolVersion, buffer: Buffer, at: number, end: number): UserProperties {
  readPacketId(buffer, at, end)
  let next = at + 2
  let userProperties: UserProperties = []
  if (version === 5) {
    next = scanProperties('subscribe', buffer, next, end)
    if (saw('userProperty')) userProperties = scannedUserProperties(buffer)
  }
  if (next === end) throw protocolError('SUBSCRIBE names no topic filter') // 5: [MQTT-3.8.3-2]
  while (next < end) {
    const filterAt = next + 2
    next = stringEnd(buffer, next, end, 'a topic filter') // 5: [MQTT-3.8.3-1]
    if (next === end) throw malformed('a topic filter has no options')
    const options = buffer[next]!
    next += 1
    const qos = options & 3
    if (version !== 5) {
      if (options > 2) throw malformed('the requested QoS is 0, 1 or 2') // 3.1.1: [MQTT-3.8.3-4]
      continue
    }
    if ((options & 0xc0) !== 0) throw malformed('reserved bits of the subscription options are set') // 5: [MQTT-3.8.3-5]
    if (qos === 3) throw protocolError('the requested QoS is 0, 1 or 2') // 5: section 3.8.3.1
    if ((options & 0x30) === 0x30) throw protocolError('Retain Handling is 0, 1 or 2') // 5: section 3.8.3.1
    const noLocal = (options & 4) !== 0
    if (noLocal && buffer.toString('latin1', filterAt, filterAt + 7) === '$share/') {
      throw protocolError('a shared subscription cannot have No Local') // 5: [MQTT-3.8.3-4]
    }
  }
  return userProperties
}

/** MQTT 5 and 3.1.1, section 3.10. */
export function checkUnsubscribe(version: ProtocolVersion, buffer: Buffer, at: number, end: number): void {
  readPacketId(buffer, at, end)
  let next = at + 2
  if (version === 5) next = scanProperties('unsubscribe', buffer, next, end)
  if (next === end) throw protocolError('UNSUBSCRIBE names no topic filter') // 5: [MQTT-3.10.3-2]
  while (next < end) next = stringEnd(buffer, next, end, 'a topic filter') // 5: [MQTT-3.10.3-1]
}

/** Those a client sends: 5: section 3.14.2.1. */
const disconnectCodes: readonly number[] = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]

/** MQTT 5 and 3.1.1, section 3.14. */
export function checkDisconnect(version: ProtocolVersion, buffer: Buffer, at: number, end: number): void {
  if (at === end) return
  if (version !== 5) throw malformed('DISCONNECT carries no payload') // 3.1.1: section 3.14
  checkReasonCode(buffer[at]!, disconnectCodes, "a client's DISCONNECT") // 5: [MQTT-3.14.2-1]
  if (at + 1 === end) return
  if (scanProperties('disconnect', buffer, at + 1, end) !== end) throw malformed('bytes follow the properties of DISCONNECT')
}

/** MQTT 5, section 3.15. An AUTH without a body says Success, which only a server may say. */
export function checkAuth(buffer: Buffer, at: number, end: number): void {
  checkReasonCode(at === end ? 0 : buffer[at]!, [0x18, 0x19], "a client's AUTH") // 5: [MQTT-3.15.2-1]
  if (scanProperties('auth', buffer, at + 1, end) !== end) throw malformed('bytes follow the properties of AUTH')
  if (!saw('authenticationMethod')) throw protocolError('AUTH has no Authentication Method') // 5: section 3.15.2.2.2
}

function checkReasonCode(code: number, codes: readonly number[], packet: string): void {
  if (!codes.includes(code)) throw protocolError(`0x${code.toString(16).padStart(2, '0')} is no reason code of ${packet}`)
}

function stringEnd(buffer: Buffer, at: number, end: number, what: string): number {
  const next = lengthPrefixedEnd(buffer, at, end, what)
  if (!isMqttString(buffer, at + 2, next)) throw malformed(`${what} is not UTF-8, or contains U+0000`) // 5: [MQTT-1.5.4-1] [MQTT-1.5.4-2]
  return next
}
