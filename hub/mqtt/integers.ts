// The integers of the wire (5: sections 1.5.2, 1.5.3 and 1.5.5), and the two refusals that reading them leads to.
import { Refusal } from '../errors.ts'

/** The bytes cannot be read as the packet they say they are.  5: section 1.2 */
export function malformed(detail: string): Refusal {
  return new Refusal('malformed-packet', { detail })
}

/** The bytes can be read, but what they say is not allowed, or not now.  5: section 1.2 */
export function protocolError(detail: string): Refusal {
  return new Refusal('protocol-error', { detail })
}

export function u16(buffer: Uint8Array, at: number): number {
  return (buffer[at]! << 8) | buffer[at + 1]!
}

export function u32(buffer: Uint8Array, at: number): number {
  return u16(buffer, at) * 0x1_0000 + u16(buffer, at + 2)
}

/** A Variable Byte Integer whose end was checked. */
export function variableInteger(buffer: Uint8Array, at: number): number {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = buffer[at++]!
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
}

/** The position behind a Variable Byte Integer that may not reach past `limit`. Errors: `malformed-packet`. */
export function variableIntegerEnd(buffer: Uint8Array, at: number, limit: number, what: string): number {
  for (let next = at; next < limit && next < at + 4; next++) {
    const byte = buffer[next]!
    if (byte >= 0x80) continue
    if (byte === 0 && next > at) throw malformed(`${what} is not encoded in the fewest bytes`) // 5: [MQTT-1.5.5-1]
    return next + 1
  }
  throw malformed(limit - at < 4 ? `${what} is cut off` : `${what} takes more than four bytes`)
}

/** The position behind a string or binary field with its length in front, which may not reach past `end`. Errors: `malformed-packet`. */
export function lengthPrefixedEnd(buffer: Uint8Array, at: number, end: number, what: string): number {
  const next = at + 2 > end ? end + 1 : at + 2 + u16(buffer, at)
  if (next > end) throw malformed(`${what} is cut off`)
  return next
}

export function variableIntegerBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4
}

/** Writes a Variable Byte Integer and returns the position behind it. */
export function writeVariableInteger(into: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    into[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  into[at++] = value
  return at
}

export function writeU16(into: Uint8Array, at: number, value: number): number {
  into[at] = value >>> 8
  into[at + 1] = value & 0xff
  return at + 2
}

export function writeU32(into: Uint8Array, at: number, value: number): number {
  writeU16(into, at, value >>> 16)
  return writeU16(into, at + 2, value & 0xffff)
}
