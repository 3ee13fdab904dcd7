// The hub's own packets but PUBLISH and its answers (`publish-codec.ts`), fields to bytes; of the answers those that say why. None of them is
// hot, so each reads like its figure in the specification.
import assert from 'node:assert/strict'
import { variableIntegerBytes, writeU16, writeU32, writeVariableInteger } from './integers.ts'
import { type AckType, type ProtocolVersion, packetType, type UserProperties } from './packets.ts'
import { type PropertyName, properties } from './properties.ts'

/** The same bytes for everyone. */
export const pingresp: Buffer = Buffer.from([packetType.pingresp << 4, 0])

/** What is undefined is left out; a client then takes the default of the specification. MQTT 3 gets `sessionPresent` and the code. */
export interface Connack {
  /** An MQTT 5 reason code, for MQTT 3 as well. */
  readonly reasonCode: number
  readonly sessionPresent?: boolean | undefined
  readonly sessionExpirySeconds?: number | undefined
  readonly receiveMaximum?: number | undefined
  readonly maximumQos?: 0 | 1 | undefined
  readonly retainAvailable?: boolean | undefined
  readonly maximumPacketSize?: number | undefined
  readonly assignedClientId?: string | undefined
  readonly topicAliasMaximum?: number | undefined
  readonly reasonString?: string | undefined
  readonly userProperties?: UserProperties | undefined
  readonly wildcardAvailable?: boolean | undefined
  readonly subscriptionIdentifiersAvailable?: boolean | undefined
  readonly sharedAvailable?: boolean | undefined
  readonly serverKeepAliveSeconds?: number | undefined
  readonly responseInformation?: string | undefined
  readonly serverReference?: string | undefined
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Uint8Array | undefined
}

/** MQTT 5 and 3.1.1, section 3.2. Whether it fits the client's Maximum Packet Size is the caller's to see. */
export function encodeConnack(version: ProtocolVersion, connack: Connack): Buffer {
  const { reasonCode } = connack
  // 5: [MQTT-3.2.2-6]  3.1.1: [MQTT-3.2.2-4]. MQTT 3.1 knows no such flag.
  const sessionPresent = connack.sessionPresent === true && reasonCode === 0 && version !== 3 ? 1 : 0
  const code = version === 5 ? reasonCode : (connackCodes3.get(reasonCode) ?? 5)
  return packet(packetType.connack, [
    Buffer.from([sessionPresent, code]),
    propertyBlock(version, [
      u32('sessionExpiry', connack.sessionExpirySeconds),
      u16('receiveMaximum', connack.receiveMaximum),
      flag('maximumQos', connack.maximumQos),
      flag('retainAvailable', connack.retainAvailable),
      u32('maximumPacketSize', connack.maximumPacketSize),
      text('assignedClientIdentifier', connack.assignedClientId),
      u16('topicAliasMaximum', connack.topicAliasMaximum),
      text('reasonString', connack.reasonString),
      ...userProperties(connack.userProperties),
      flag('wildcardAvailable', connack.wildcardAvailable),
      flag('subscriptionIdentifiersAvailable', connack.subscriptionIdentifiersAvailable),
      flag('sharedAvailable', connack.sharedAvailable),
      u16('serverKeepAlive', connack.serverKeepAliveSeconds),
      text('responseInformation', connack.responseInformation),
      text('serverReference', connack.serverReference),
      text('authenticationMethod', connack.authenticationMethod),
      binary('authenticationData', connack.authenticationData),
    ]),
  ])
}

/**
 * What a client of MQTT 3 is told for a reason code (3.1.1: table 3.1): 1 version, 2 identifier, 3 come back later, 4 bad credentials, 5 not
 * authorized. For all others it has no CONNACK but the closing of the connection.  3.1.1: [MQTT-3.1.4-1], [MQTT-3.2.2-6]
 */
const connackCodes3: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x84, 1],
  [0x85, 2],
  [0x80, 3],
  [0x83, 3],
  [0x88, 3],
  [0x89, 3],
  [0x8b, 3],
  [0x97, 3],
  [0x9c, 3],
  [0x9d, 3],
  [0x9f, 3],
  [0x86, 4],
  [0x8c, 4],
  [0x87, 5],
])

/** Whether a CONNACK of this version can say the reason. */
export function hasConnackCode(version: ProtocolVersion, reasonCode: number): boolean {
  return version === 5 || connackCodes3.has(reasonCode)
}

/** MQTT 5, sections 3.4 and 3.5: an answer that refuses a PUBLISH and says why. Without a sentence `writeAck` is shorter. */
export function encodeRefusal(type: AckType & ('puback' | 'pubrec'), packetId: number, reasonCode: number, reasonString: string): Buffer {
  return packet(packetType[type], [twoBytes(packetId), Buffer.from([reasonCode]), propertyBlock(5, [text('reasonString', reasonString)])])
}

/** MQTT 5 and 3.1.1, section 3.9. The codes stand in the order of the filters; MQTT 3 knows one failure, 0x80. */
export function encodeSuback(
  version: ProtocolVersion,
  packetId: number,
  codes: readonly number[],
  reasonString?: string,
  pairs?: UserProperties,
): Buffer {
  const spoken = version === 5 ? codes : codes.map((code) => Math.min(code, 0x80))
  const block = propertyBlock(version, [text('reasonString', reasonString), ...userProperties(pairs)])
  return packet(packetType.suback, [twoBytes(packetId), block, Buffer.from(spoken)])
}

/** MQTT 5 and 3.1.1, section 3.11. In MQTT 3 it says nothing but that the UNSUBSCRIBE arrived. */
export function encodeUnsuback(version: ProtocolVersion, packetId: number, codes: readonly number[], reasonString?: string): Buffer {
  if (version !== 5) return packet(packetType.unsuback, [twoBytes(packetId)])
  return packet(packetType.unsuback, [twoBytes(packetId), propertyBlock(5, [text('reasonString', reasonString)]), Buffer.from(codes)])
}

/** MQTT 5, section 3.14. A server of MQTT 3 has no DISCONNECT: it closes. */
export function encodeDisconnect(reasonCode: number, reasonString?: string, serverReference?: string): Buffer {
  const block = propertyBlock(5, [text('reasonString', reasonString), text('serverReference', serverReference)])
  return packet(packetType.disconnect, [Buffer.from([reasonCode]), block.length === 1 ? nothing : block])
}

/** MQTT 5, section 3.15. */
export function encodeAuth(reasonCode: number, method: string, data?: Uint8Array, reasonString?: string): Buffer {
  const block = propertyBlock(5, [
    text('authenticationMethod', method),
    binary('authenticationData', data),
    text('reasonString', reasonString),
  ])
  return packet(packetType.auth, [Buffer.from([reasonCode]), block])
}

const nothing = Buffer.alloc(0)

function packet(type: number, parts: readonly Buffer[]): Buffer {
  const bodyBytes = parts.reduce((bytes, part) => bytes + part.length, 0)
  const header = Buffer.alloc(1 + variableIntegerBytes(bodyBytes))
  header[0] = type << 4
  writeVariableInteger(header, 1, bodyBytes)
  return Buffer.concat([header, ...parts])
}

/** The properties with their length in front; nothing at all in MQTT 3. */
function propertyBlock(version: ProtocolVersion, parts: readonly Buffer[]): Buffer {
  if (version !== 5) return nothing
  const block = Buffer.concat(parts)
  const length = Buffer.alloc(variableIntegerBytes(block.length))
  writeVariableInteger(length, 0, block.length)
  return Buffer.concat([length, block])
}

function flag(name: PropertyName, value: boolean | 0 | 1 | undefined): Buffer {
  return value === undefined ? nothing : Buffer.from([properties[name].id, Number(value)])
}

function u16(name: PropertyName, value: number | undefined): Buffer {
  if (value === undefined) return nothing
  const bytes = Buffer.from([properties[name].id, 0, 0])
  writeU16(bytes, 1, value)
  return bytes
}

function u32(name: PropertyName, value: number | undefined): Buffer {
  if (value === undefined) return nothing
  const bytes = Buffer.from([properties[name].id, 0, 0, 0, 0])
  writeU32(bytes, 1, value)
  return bytes
}

function text(name: PropertyName, value: string | undefined): Buffer {
  return value === undefined ? nothing : binary(name, Buffer.from(value))
}

function binary(name: PropertyName, value: Uint8Array | undefined): Buffer {
  return value === undefined ? nothing : Buffer.concat([Buffer.from([properties[name].id]), lengthPrefixed(value)])
}

function userProperties(pairs: UserProperties | undefined): Buffer[] {
  return (pairs ?? []).map(([name, value]) =>
    Buffer.concat([Buffer.from([properties.userProperty.id]), lengthPrefixed(Buffer.from(name)), lengthPrefixed(Buffer.from(value))]),
  )
}

function lengthPrefixed(bytes: Uint8Array): Buffer {
  assert(bytes.length <= 0xffff, 'a field of a packet holds at most 65,535 bytes')
  return Buffer.concat([twoBytes(bytes.length), bytes])
}

function twoBytes(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  writeU16(bytes, 0, value)
  return bytes
}
