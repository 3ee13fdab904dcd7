// The header with which a proxy says on whose behalf it connects: HAProxy's PROXY protocol, versions 1 (text) and 2 (binary).
import { isIP } from 'node:net'
import { limits } from '../limits.ts'

/** Who stands behind a proxy. */
export interface Peer {
  readonly address: string
  readonly port: number
}

/** What the first bytes of a connection are. */
export type ProxyHeader =
  /** The beginning of a header: the rest is still on its way. */
  | { readonly is: 'torn' }
  /** Something else: the connection speaks for itself. */
  | { readonly is: 'absent' }
  /** It began as a header does and then broke the form. */
  | { readonly is: 'wrong' }
  /** `peer` is undefined when the proxy speaks for itself: section 2.1 UNKNOWN, section 2.2 LOCAL and UNSPEC. */
  | { readonly is: 'whole'; readonly bytes: number; readonly peer: Peer | undefined }

const torn: ProxyHeader = { is: 'torn' }
const absent: ProxyHeader = { is: 'absent' }
const wrong: ProxyHeader = { is: 'wrong' }

const textMark = Buffer.from('PROXY ')
const binaryMark = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
/** Section 2.1: the longest line there can be, with its CR LF. */
const textBytesMax = 107
const binaryHeadBytes = 16

/** Of what a connection has said so far, in however many pieces it came. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (begins(bytes, textMark)) return bytes.length < textMark.length ? torn : readText(bytes)
  if (begins(bytes, binaryMark)) return bytes.length < binaryHeadBytes ? torn : readBinary(bytes)
  return absent
}

/** The two begin alike, as far as both go. */
function begins(bytes: Buffer, mark: Buffer): boolean {
  const length = Math.min(bytes.length, mark.length)
  return bytes.compare(mark, 0, length, 0, length) === 0
}

/** `PROXY TCP4 192.0.2.7 192.0.2.1 56324 1883` and CR LF. */
function readText(bytes: Buffer): ProxyHeader {
  const end = bytes.indexOf('\r\n')
  if (end === -1) return bytes.length >= textBytesMax ? wrong : torn
  const length = end + 2
  if (length > textBytesMax) return wrong
  const words = bytes.toString('latin1', textMark.length, end).split(' ')
  const [family, source = '', destination = '', sourcePort = '', destinationPort = ''] = words
  if (family === 'UNKNOWN') return { is: 'whole', bytes: length, peer: undefined } // the rest of the line says nothing
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : -1
  if (words.length !== 5 || isIP(source) !== version || isIP(destination) !== version) return wrong
  if (!isPort(sourcePort) || !isPort(destinationPort)) return wrong
  return { is: 'whole', bytes: length, peer: { address: source, port: Number(sourcePort) } }
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535
}

/** Version and command, family and transport, length, addresses, then fields (TLV) that nobody here asks for. */
function readBinary(bytes: Buffer): ProxyHeader {
  const command = bytes[12] as number
  const family = bytes[13] as number
  const addressBytes = bytes.readUInt16BE(14)
  const length = binaryHeadBytes + addressBytes
  if (command !== 0x20 && command !== 0x21) return wrong
  if (length > limits.proxyHeaderBytes) return wrong
  if (bytes.length < length) return torn
  if (command === 0x20 || family === 0x00) return { is: 'whole', bytes: length, peer: undefined }
  if (family === 0x11 && addressBytes >= 12) {
    return { is: 'whole', bytes: length, peer: { address: bytes.subarray(16, 20).join('.'), port: bytes.readUInt16BE(24) } }
  }
  if (family === 0x21 && addressBytes >= 36) {
    return { is: 'whole', bytes: length, peer: { address: groups(bytes.subarray(16, 32)), port: bytes.readUInt16BE(48) } }
  }
  return wrong
}

/** An IPv6 address as it is usually written (RFC 5952), so that one address has one name in logs and checks. */
function groups(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16))
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)
}
