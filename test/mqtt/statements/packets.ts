// What the statement tests share: packets as bytes, in both directions, and how a connection ended.
import assert from 'node:assert/strict'
import type { TestClient } from '../../kit/mqtt.ts'
import { packet } from '../codec/kit.ts'

export { packet }

/** A number of two bytes, as hex. */
export function u16(value: number): string {
  return value.toString(16).padStart(4, '0')
}

/** In the notation of `packet`: a string with its length in front. */
export function text(value: string): string {
  return binary(Buffer.from(value).toString('hex'))
}

/** Bytes, given as hex, with their length in front; what a string looks like that is none. */
export function binary(hex: string): string {
  const digits = hex.replaceAll(/\s/g, '')
  return `${u16(digits.length / 2)}${digits}`
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

/** A short PUBLISH, which may be illegal. Its properties are hex, and left out in 3.1.1. */
export function publishBytes(
  version: 4 | 5,
  publish: { first?: number; topic: Buffer | string; packetId?: number; properties?: string; payload?: string },
): Buffer {
  const { first = 0x30, topic, packetId, properties = '', payload = 'x' } = publish
  const id = packetId === undefined ? '' : u16(packetId)
  return packet(first, `${binary(Buffer.from(topic).toString('hex'))} ${id} ${version === 5 ? `{${properties}}` : ''} '${payload}'`)
}

/** The fields of a will in the payload of CONNECT. */
export function willFields(version: 4 | 5, topic: string, payload: string): string {
  return `${noProperties(version)} ${text(topic)} ${text(payload)}`
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

/** The code of a filter that is refused. */
export function failure(version: 4 | 5): number {
  return version === 5 ? 0x8f : 0x80
}

/**
 * The hub closes the connection without having let the client in. The code of its CONNACK, when there was one; in MQTT 5 it is this one, if one
 * is given.
 */
export async function turnedAway(client: TestClient, expected?: number, what?: string): Promise<number | undefined> {
  await client.closed
  const connack = client.unread.find(({ cmd }) => cmd === 'connack')
  const code = connack?.cmd === 'connack' ? ((client.version === 5 ? connack.reasonCode : connack.returnCode) ?? 0) : undefined
  assert.notEqual(code, 0, 'the client was let in')
  if (expected !== undefined && client.version === 5) assert.equal(code, expected, what)
  return code
}

/** The hub closes the connection of a client that was let in. MQTT 5 says why, with one of these codes; 3.1.1 has no word for it. */
export async function endedBy(client: TestClient, codes: number | readonly number[], what = 'the connection ends'): Promise<void> {
  const goodbye = await client.goodbye()
  if (client.version !== 5) return assert.equal(goodbye, undefined, what)
  const said = goodbye === undefined ? 'nothing' : `0x${goodbye.code.toString(16)}: ${goodbye.reason}`
  assert.ok(goodbye !== undefined && [codes].flat().includes(goodbye.code), `${what}: the hub said ${said}`)
}
