// What the statement tests share: packets as bytes, in both directions, and how a connection ended.
import assert from 'node:assert/strict'
import type { IConnectPacket, QoS } from 'mqtt-packet'
import type { TestClient } from '../../kit/mqtt.ts'
import { packet } from '../codec/kit.ts'

export { packet }

/** In the notation of `packet`: a string with its length in front. */
export function text(value: string): string {
  return `${binary(Buffer.from(value).toString('hex'))}`
}

/** Bytes, given as hex, with their length in front; what a string looks like that is none. */
export function binary(hex: string): string {
  const digits = hex.replaceAll(/\s/g, '')
  return `${(digits.length / 2).toString(16).padStart(4, '0')} ${digits}`
}

/** An empty block of properties in MQTT 5, nothing before. */
export function noProperties(version: 4 | 5): string {
  return version === 5 ? '{}' : ''
}

export const connectFlags = {
  reserved: 0x01,
  clean: 0x02,
  will: 0x04,
  qos1: 0x08,
  qos2: 0x10,
  retain: 0x20,
  password: 0x40,
  username: 0x80,
}

/** A CONNECT with these flags around this payload, which may not fit each other; keep-alive is off. Properties are hex. */
export function connectBytes(
  version: 4 | 5,
  flags: number,
  payload: string,
  more: { name?: string; level?: number; properties?: string } = {},
) {
  const { name = 'MQTT', level = version, properties = '' } = more
  const byte = (value: number) => value.toString(16).padStart(2, '0')
  return packet(0x10, `${text(name)} ${byte(level)} ${byte(flags)} 0000 ${version === 5 ? `{${properties}}` : ''} ${payload}`)
}

/** The fields of a will in the payload of CONNECT. */
export function willFields(version: 4 | 5, topic: string, payload: string): string {
  return `${noProperties(version)} ${text(topic)} ${text(payload)}`
}

/** What a client says that wants to be remembered: its session outlives the connection. */
export function lasting(version: 4 | 5, more: Partial<IConnectPacket> = {}): Partial<IConnectPacket> {
  return { clean: false, ...more, ...(version === 5 ? { properties: { sessionExpiryInterval: 3600, ...more.properties } } : {}) }
}

/** A will without properties. */
export function willOf(topic: string, payload: string, qos: QoS = 0, retain = false): NonNullable<IConnectPacket['will']> {
  return { topic, payload: Buffer.from(payload), qos, retain }
}

/** Each whole packet that arrives from now on, byte for byte; the list grows. */
export function packetsTo(client: TestClient): Buffer[] {
  const packets: Buffer[] = []
  let rest: Buffer = Buffer.alloc(0)
  client.socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (let bytes = packetBytes(rest); bytes !== 0 && bytes <= rest.length; bytes = packetBytes(rest)) {
      packets.push(Buffer.from(rest.subarray(0, bytes)))
      rest = rest.subarray(bytes)
    }
  })
  return packets
}

/** The size of the packet at the beginning of these bytes; 0 while its header is incomplete. */
function packetBytes(bytes: Buffer): number {
  let length = 0
  for (let at = 1; at < bytes.length; at++) {
    const digit = bytes[at] as number
    length += (digit & 0x7f) << (7 * (at - 1))
    if (digit < 0x80) return at + 1 + length
  }
  return 0
}

/** The hub closes the connection without having let the client in. The code of its CONNACK, when there was one. */
export async function turnedAway(client: TestClient): Promise<number | undefined> {
  await client.closed
  const connack = client.unread.find(({ cmd }) => cmd === 'connack')
  if (connack?.cmd !== 'connack') return undefined
  const code = client.version === 5 ? connack.reasonCode : connack.returnCode
  assert.notEqual(code ?? 0, 0, 'the client was let in')
  return code
}

/** The hub closes the connection of a client that was let in; MQTT 5 says why with this code. */
export async function endedBy(client: TestClient, code: number, what: string): Promise<void> {
  const goodbye = await client.goodbye()
  assert.equal(goodbye?.code, client.version === 5 ? code : undefined, what)
}
