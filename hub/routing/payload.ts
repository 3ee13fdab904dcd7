// A payload in the words of JSON, both ways: `payload` for what is JSON, `text` for other UTF-8, `base64` for the rest.
import { isUtf8 } from 'node:buffer'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'

export interface PayloadWords {
  /** Any JSON value; its text is the payload. */
  readonly payload?: unknown
  readonly text?: unknown
  readonly base64?: unknown
}

const none = Buffer.alloc(0)

/** The bytes meant by exactly one of the three. Errors: `request-invalid`, `payload-too-large`. */
export function readPayload(words: PayloadWords): Buffer {
  const { payload, text, base64 } = words
  const said = Number(payload !== undefined) + Number(text !== undefined) + Number(base64 !== undefined)
  if (said !== 1) throw invalid('the payload is one of payload (any JSON), text and base64')
  const bytes = payload !== undefined ? ofJson(payload) : text !== undefined ? ofText(text) : ofBase64(base64)
  assertPayloadFits(bytes.length)
  return bytes
}

/** Errors: `payload-too-large`. */
export function assertPayloadFits(bytes: number): void {
  if (bytes > limits.packetBytes) throw new Refusal('payload-too-large', { bytes, limit: limits.packetBytes })
}

/** The member of a JSON object that says these bytes, with its name, in one line. */
export function payloadMember(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  if (!isUtf8(bytes)) return `"base64":"${bytes.toString('base64')}"`
  const text = bytes.toString('utf8')
  const json = lineOfJson(text)
  return json === undefined ? `"text":${JSON.stringify(text)}` : `"payload":${json}`
}

/** JSON as it came, so that long numbers keep their digits; what is written over several lines is written anew. */
function lineOfJson(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return /[\r\n]/.test(text) ? JSON.stringify(value) : text
  } catch {
    return undefined // no JSON, or nested too deeply to be written
  }
}

function ofJson(value: unknown): Buffer {
  try {
    return Buffer.from(JSON.stringify(value))
  } catch {
    throw invalid('the payload is nested too deeply') // what JSON.parse gave holds nothing else that cannot be written
  }
}

function ofText(text: unknown): Buffer {
  if (typeof text !== 'string') throw invalid('text is a string')
  if (/\p{Surrogate}/u.test(text)) throw invalid('text contains half a surrogate pair, which UTF-8 cannot carry')
  return Buffer.from(text)
}

/** RFC 4648 section 4, with its padding; Buffer would pass over whatever it does not know. */
function ofBase64(text: unknown): Buffer {
  if (text === '') return none
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : none
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw invalid('base64 is base64 with padding (RFC 4648 section 4)')
  return bytes
}

function invalid(detail: string): Refusal {
  return new Refusal('request-invalid', { detail })
}
