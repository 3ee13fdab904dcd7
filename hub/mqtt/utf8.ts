// Strings as MQTT means them: strict UTF-8 without U+0000 (5: section 1.5.4).
import { Refusal } from '../errors.ts'

/**
 * True when the bytes are a string MQTT allows: well-formed UTF-8 without U+0000. Surrogates, overlong forms and code points above U+10FFFF
 * are not well-formed; U+FEFF is a character like any other and stays.  5: [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3]
 */
export function isMqttString(buffer: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const lead = buffer[at]!
    if (lead < 0x80) {
      if (lead === 0) return false
      at += 1
      continue
    }
    // The second byte's bounds shut out overlong forms (e0, f0), surrogates (ed) and what is above U+10FFFF (f4): Unicode, table 3-7.
    let length: number
    let secondMin = 0x80
    let secondMax = 0xbf
    if (lead >= 0xc2 && lead <= 0xdf) length = 2
    else if (lead >= 0xe0 && lead <= 0xef) {
      length = 3
      if (lead === 0xe0) secondMin = 0xa0
      else if (lead === 0xed) secondMax = 0x9f
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      length = 4
      if (lead === 0xf0) secondMin = 0x90
      else if (lead === 0xf4) secondMax = 0x8f
    } else return false
    if (at + length > end) return false
    const second = buffer[at + 1]!
    if (second < secondMin || second > secondMax) return false
    if (length > 2 && (buffer[at + 2]! & 0xc0) !== 0x80) return false
    if (length > 3 && (buffer[at + 3]! & 0xc0) !== 0x80) return false
    at += length
  }
  return true
}

/** Decodes the bytes between two positions; `what` names the field. Errors: `malformed-packet`. */
export function readString(buffer: Buffer, start: number, end: number, what: string): string {
  if (!isMqttString(buffer, start, end)) {
    throw new Refusal('malformed-packet', { detail: `${what} is not UTF-8, or contains U+0000` }) // 5: [MQTT-1.5.4-1] [MQTT-1.5.4-2]
  }
  return buffer.toString('utf8', start, end)
}
