// Reads what strace wrote down: calls with their arguments, each with its begin and its end, because threads call at the same time.
import { readFileSync } from 'node:fs'

export interface SystemCall {
  readonly name: string
  /** As strace prints them: `33</data/mooring.db>`, `"abc"`, `O_RDWR|O_CREAT`. */
  readonly args: readonly string[]
}

export type Step =
  | { readonly is: 'begin'; readonly call: SystemCall }
  /** `returned` as strace prints it: `0`, `33</data/mooring.db>`, `-1 ENOENT (No such file or directory)`. */
  | { readonly is: 'end'; readonly call: SystemCall; readonly returned: string }

const resumed = /^<\.\.\. (\w+) resumed>/
const unfinished = ' <unfinished ...>'

/** The steps of all threads in the order strace saw them. Lines without one of `words` are passed over: most calls are about other files. */
export function* stepsIn(log: string, words: readonly string[]): Generator<Step> {
  const open = new Map<string, SystemCall>()
  for (const line of linesOf(log)) {
    const space = line.indexOf(' ')
    const thread = line.slice(0, space)
    const text = line.slice(space).trimStart()
    const rest = resumed.exec(text)
    if (rest !== null) {
      const call = open.get(thread)
      open.delete(thread)
      if (call !== undefined) yield { is: 'end', call, returned: returnedIn(text) }
      continue
    }
    if (!words.some((word) => text.includes(word))) continue
    const isOpen = text.endsWith(unfinished)
    const parenthesis = text.indexOf('(')
    if (parenthesis === -1 || text.startsWith('---') || text.startsWith('+++')) continue
    const end = isOpen ? text.length - unfinished.length : text.lastIndexOf(')', text.lastIndexOf(' = '))
    const call = { name: text.slice(0, parenthesis), args: splitArgs(text.slice(parenthesis + 1, end)) }
    yield { is: 'begin', call }
    if (isOpen) open.set(thread, call)
    else yield { is: 'end', call, returned: returnedIn(text) }
  }
}

function returnedIn(text: string): string {
  return text.slice(text.lastIndexOf(' = ') + 3)
}

/** One byte, one character: the log is larger than a string of other characters may be. */
function* linesOf(log: string): Generator<string> {
  const bytes = readFileSync(log)
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(10, start)
    if (end === -1) return // cut off with the machine that wrote it
    yield bytes.toString('latin1', start, end)
    start = end + 1
  }
}

/** At the commas that stand outside of quotes and of paths. */
export function splitArgs(text: string): string[] {
  const args: string[] = []
  let start = 0
  let inside: '"' | '>' | undefined
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (inside === '"' && char === '\\') at += 1
    else if (inside !== undefined) {
      if (char === inside) inside = undefined
    } else if (char === '"') inside = '"'
    else if (char === '<' && text[at - 1] !== '<') inside = '>'
    else if (char === ',') {
      args.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  const last = text.slice(start).trim()
  if (last !== '' || args.length > 0) args.push(last)
  return args
}

/** The path behind a descriptor; undefined for a file that has lost its name. */
export function pathBehind(descriptor: string): string | undefined {
  const path = /<(.*)>$/.exec(descriptor)?.[1]
  return path === undefined || path.endsWith('(deleted)') || descriptor.endsWith('(deleted)') ? undefined : path
}

const escapes: { readonly [letter: string]: number } = { n: 10, t: 9, r: 13, f: 12, v: 11, '"': 34, '\\': 92 }

/** The bytes of an argument in quotes: printable characters, letters behind a backslash, and octal numbers of one to three digits. */
export function bytesOf(quoted: string): Buffer {
  if (!quoted.startsWith('"') || !quoted.endsWith('"')) throw new Error(`strace cut an argument short: ${quoted.slice(0, 40)}`)
  const bytes = Buffer.allocUnsafe(quoted.length)
  const last = quoted.length - 1
  let length = 0
  for (let at = 1; at < last; at += 1) {
    const code = quoted.charCodeAt(at)
    if (code !== 92) {
      bytes[length++] = code
      continue
    }
    at += 1
    let digit = quoted.charCodeAt(at) - 48
    if (digit < 0 || digit > 7) {
      bytes[length++] = escapes[quoted[at]!]!
      continue
    }
    let value = digit
    for (let more = 0; more < 2; more += 1) {
      digit = quoted.charCodeAt(at + 1) - 48
      if (digit < 0 || digit > 7) break
      value = value * 8 + digit
      at += 1
    }
    bytes[length++] = value
  }
  return Buffer.from(bytes.subarray(0, length))
}
