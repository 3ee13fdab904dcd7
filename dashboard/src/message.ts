// One message as the page holds it, and its payload in the forms a person reads. Pure.

export interface Heard {
  /** Counts up in the order this page heard them. */
  readonly n: number
  readonly topic: string
  readonly kind: 'json' | 'text' | 'bytes'
  /** JSON and text as they came, bytes in base64. */
  readonly body: string
  readonly bytes: number
  readonly qos: number
  readonly at: number
  /** Its place in the hub's journal, as far as it has one. */
  readonly place: number | null
}

/** A message as the hub writes it, whole or in part. */
interface Written {
  readonly topic: string
  readonly payload?: unknown
  readonly text?: string
  readonly base64?: string
  readonly qos: number
  readonly at: number
  readonly cursor?: string
}

/** A leaf of a payload: where it stands, and what it says. */
export type Leaf = readonly [path: string, says: string]

export const views = ['json', 'leaves', 'text', 'hex'] as const
export type View = (typeof views)[number]

/** A payload with more is shown up to here, and the page says so. */
export const leavesMax = 1_000
const hexBytesMax = 8 * 1024
const hexRowBytes = 16
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** `text` is the frame it was read from: JSON is taken from there, so that long numbers keep their digits. */
export function heardIn(text: string, n: number): Heard {
  return heardOf(JSON.parse(text) as Written, n, text)
}

export function heardOf(said: Written, n: number, text?: string): Heard {
  const { topic, payload, base64, qos, at, cursor } = said
  const place = cursor === undefined ? null : Number(cursor.slice(cursor.lastIndexOf('.') + 1))
  const common = { n, topic, qos, at, place }
  if (base64 !== undefined) return { ...common, kind: 'bytes', body: base64, bytes: bytesIn(base64).length }
  if (said.text !== undefined) return { ...common, kind: 'text', body: said.text, bytes: sizeOf(said.text) }
  const from = text?.indexOf('"payload":', text.indexOf(JSON.stringify(topic)) + topic.length) ?? -1
  const body = text === undefined || from < 0 ? JSON.stringify(payload) : text.slice(from + 10, text.lastIndexOf(',"qos":'))
  return { ...common, kind: 'json', body, bytes: sizeOf(body) }
}

/** The first of these is how it is shown unless somebody chooses. */
export function viewsOf({ kind, body }: Heard): readonly View[] {
  if (kind === 'bytes') return ['hex', 'text']
  if (kind === 'text') return ['text', 'hex']
  return body.startsWith('{') || body.startsWith('[') ? views : ['json', 'text', 'hex']
}

export function shownAs({ kind, body }: Heard, view: View): string {
  if (view === 'hex') return hexOf(kind === 'bytes' ? bytesIn(body) : encoder.encode(body))
  if (kind === 'bytes') return decoder.decode(bytesIn(body))
  return view === 'json' ? pretty(body) : body
}

/** One line, for lists. */
export function lineOf({ kind, body }: Heard, charactersMax = 240): string {
  const text = kind === 'bytes' ? spaced([...bytesIn(body.slice(0, 64))]) : body
  return text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text
}

/** Of JSON each value with its path, of text each line, of bytes each row of sixteen. */
export function leavesOf(heard: Heard): Leaf[] {
  const { kind, body } = heard
  if (kind === 'json') {
    return leavesIn(JSON.parse(body))
  }
  const lines = kind === 'text' ? body.split('\n') : shownAs(heard, 'hex').split('\n')
  return lines.slice(0, leavesMax).map((line, i) => (kind === 'text' ? [String(i + 1), line] : [line.slice(0, 4), line.slice(6)]))
}

/** Each value of a JSON document, with its path; at most `leavesMax`. */
export function leavesIn(value: unknown): Leaf[] {
  const leaves: Leaf[] = []
  collect(value, '', leaves)
  return leaves
}

export interface Difference {
  readonly path: string
  /** Undefined where it was not there. */
  readonly before: string | undefined
  readonly after: string | undefined
}

/** Leaves that differ, in the order of the newer one, those that are gone last; and how many are the same. */
export function differences(before: Heard, after: Heard): { readonly changed: readonly Difference[]; readonly same: number } {
  const old = new Map(leavesOf(before))
  const changed: Difference[] = []
  let same = 0
  for (const [path, says] of leavesOf(after)) {
    const was = old.get(path)
    old.delete(path)
    if (was === says) same++
    else changed.push({ path, before: was, after: says })
  }
  for (const [path, was] of old) changed.push({ path, before: was, after: undefined })
  return { changed, same }
}

function collect(value: unknown, path: string, leaves: Leaf[]): void {
  if (leaves.length >= leavesMax) return
  const parts = typeof value === 'object' && value !== null ? Object.entries(value) : []
  if (parts.length === 0) leaves.push([path, JSON.stringify(value)])
  for (const [name, part] of parts)
    collect(part, Array.isArray(value) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`, leaves)
}

function pretty(body: string): string {
  return JSON.stringify(JSON.parse(body), null, 2)
}

function hexOf(bytes: Uint8Array): string {
  const rows: string[] = []
  for (let at = 0; at < Math.min(bytes.length, hexBytesMax); at += hexRowBytes) {
    const row = [...bytes.subarray(at, at + hexRowBytes)]
    const letters = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('')
    rows.push(`${at.toString(16).padStart(4, '0')}  ${spaced(row).padEnd(hexRowBytes * 3)} ${letters}`)
  }
  if (bytes.length > hexBytesMax) rows.push('…')
  return rows.join('\n')
}

function spaced(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

function bytesIn(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
}

function sizeOf(text: string): number {
  return encoder.encode(text).length
}
