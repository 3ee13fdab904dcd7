// What HTTP proxies say of the client they speak for: `Forwarded` (RFC 7239) and `X-Forwarded-For`. Whether they are to be believed is
// asked in peers.ts.
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'

/** Stands for a client that the proxies do not name: it is an address of nobody, so never one of this machine. */
export const unknownAddress = 'unknown'

/**
 * The client's address: each proxy adds who came to it at the end, so the last one that is no proxy of ours is the client. Undefined
 * when there is no such header. When both headers are there and differ, one of them came from the client itself, and there is no
 * telling which: then it is `unknown`.
 */
export function forwardedFor(headers: IncomingHttpHeaders, isProxy: (address: string) => boolean): string | undefined {
  const { forwarded } = headers
  const listed = headers['x-forwarded-for']
  const standard = forwarded === undefined ? undefined : lastStranger(nodesOf(forwarded), isProxy)
  const common = listed === undefined ? undefined : lastStranger(String(listed).split(','), isProxy)
  if (standard === undefined || common === undefined) return standard ?? common
  return standard === common ? standard : unknownAddress
}

function lastStranger(nodes: readonly string[], isProxy: (address: string) => boolean): string {
  let first = unknownAddress
  for (let at = nodes.length - 1; at >= 0; at--) {
    first = addressOf(nodes[at] as string)
    if (first === unknownAddress || !isProxy(first)) return first
  }
  return first // all of them are proxies: the first of them is who asked
}

/** RFC 7239 section 4: elements parted by commas, pairs by semicolons; a value may stand in quotes. An element without `for` names nobody. */
function nodesOf(forwarded: string): string[] {
  return split(forwarded, ',').map((element) => {
    for (const pair of split(element, ';')) {
      const at = pair.indexOf('=')
      if (pair.slice(0, at).trim().toLowerCase() === 'for') return unquoted(pair.slice(at + 1).trim())
    }
    return ''
  })
}

/** Parts at `mark`, but not inside quotes. */
function split(text: string, mark: string): string[] {
  const parts: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    if (quoted && text[at] === '\\') at++
    else if (text[at] === '"') quoted = !quoted
    else if (text[at] === mark && !quoted) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function unquoted(text: string): string {
  return text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text
}

/** `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`: the address alone. Anything else is unknown: section 6.3 allows names. */
function addressOf(node: string): string {
  const text = node.trim()
  if (isIP(text) !== 0) return text
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::[\w.-]+)?$/.exec(text) ?? []
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? bracketed : unknownAddress
  return plain !== undefined && isIP(plain) === 4 ? plain : unknownAddress
}
