// InfluxDB line protocol, written from its reference (InfluxDB v2, "Line protocol", and "Special characters" in it):
//
//   measurement[,tag=value…] field=value[,field=value…] [timestamp]
//
// The tag `device` names the device, without it `host`; a field is the metric `measurement.field`. The tags that are left tell series of one
// device apart, so they stand in the metric's name, ordered: `disk.used{fstype=ext4,path=/}`.
import { isDeviceId } from '../../../devices/device.ts'
import { limits } from '../../limits.ts'
import { type Row, refuseRow } from './row.ts'
import { msOfTicks } from './times.ts'

/** Digits by which a timestamp is finer than a millisecond; below 0 what it is coarser by. */
const finer = { ns: 6, us: 3, ms: 0, s: -3 } as const

export type Precision = keyof typeof finer

export const precisions = Object.keys(finer) as readonly Precision[]

interface Options {
  readonly precision: Precision
  /** The time of a line that names none, Unix ms. */
  readonly nowMs: number
}

/** The points of one line; none of a comment. Errors: `telemetry-invalid`, and then the line counts as a whole. */
export function readLine(text: string, { precision, nowMs }: Options): Row[] {
  const line = new Line(text.endsWith('\r') ? text.slice(0, -1) : text)
  line.skipSpaces()
  if (line.peek === '#') return []
  const measurement = line.name(', ')
  if (measurement === '') refuseRow('it has no measurement')
  const tags = readTags(line)
  line.skipSpaces()
  const fields = readFields(line)
  const atMs = readTimestamp(line, precision) ?? nowMs

  const host = tags.has('device') ? 'device' : 'host'
  const name = tags.get(host)
  if (name === undefined) refuseRow('it has neither a tag device nor a tag host, so it belongs to no device')
  const device = name.replace(/[^A-Za-z0-9._:@-]/gu, '_')
  if (!isDeviceId(device)) refuseRow(`the tag ${host} makes no device id: it has 1 to 128 characters`)
  tags.delete(host)
  const suffix = suffixOf(tags)
  return fields.map(({ key, value }) => ({ device, metric: `${measurement}.${key}${suffix}`, atMs, value }))
}

function readTags(line: Line): Map<string, string> {
  const tags = new Map<string, string>()
  while (line.take(',')) {
    const key = line.name(',= ')
    if (key === '' || !line.take('=')) refuseRow('a tag is key=value')
    const value = line.name(',= ')
    if (value === '') refuseRow(`the tag ${key.slice(0, 64)} has no value`)
    if (line.peek === '=') refuseRow('an equals sign in a tag is escaped by a backslash')
    if (tags.has(key)) refuseRow(`the tag ${key.slice(0, 64)} is given twice`)
    tags.set(key, value)
  }
  return tags
}

interface Field {
  readonly key: string
  readonly value: number | boolean | string
}

function readFields(line: Line): Field[] {
  const fields: Field[] = []
  do {
    const key = line.name(',= ')
    if (key === '' || !line.take('=')) refuseRow('behind the tags come fields, key=value')
    fields.push({ key, value: line.peek === '"' ? line.quoted() : readBare(line.bare(), key) })
    if (fields.length > limits.metricsPerMessage) refuseRow(`a line holds at most ${limits.metricsPerMessage} fields`)
  } while (line.take(','))
  if (!line.isDone && line.peek !== ' ') refuseRow('behind a field comes a comma, a space or the end')
  return fields
}

const words: ReadonlyMap<string, boolean> = new Map(
  [true, false].flatMap((value) => {
    const word = String(value)
    return [word, word.toUpperCase(), `${word[0]?.toUpperCase()}${word.slice(1)}`, word[0] as string, word[0]?.toUpperCase() as string].map(
      (text) => [text, value] as const,
    )
  }),
)
const floatPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const integerPattern = /^([+-]?\d{1,20})i$/
const unsignedPattern = /^(\d{1,20})u$/

/** An integer past 2^53 becomes the float64 next to it, as every number of the hub is one. */
function readBare(text: string, key: string): number | boolean {
  if (floatPattern.test(text)) {
    const value = Number(text)
    if (Number.isFinite(value)) return value
  }
  const word = words.get(text)
  if (word !== undefined) return word
  const integer = integerPattern.exec(text)?.[1]
  if (integer !== undefined && BigInt.asIntN(64, BigInt(integer)) === BigInt(integer)) return Number(integer)
  const unsigned = unsignedPattern.exec(text)?.[1]
  if (unsigned !== undefined && BigInt.asUintN(64, BigInt(unsigned)) === BigInt(unsigned)) return Number(unsigned)
  return refuseRow(`the field ${key.slice(0, 64)} is no float, integer (1i), unsigned (1u), boolean or string in double quotes`)
}

function readTimestamp(line: Line, precision: Precision): number | undefined {
  line.skipSpaces()
  if (line.isDone) return undefined
  const text = line.bare()
  line.skipSpaces()
  if (!/^\d{1,19}$/.test(text) || !line.isDone) refuseRow('a timestamp is a whole number, not before 1970, and the last of the line')
  const digits = finer[precision]
  return digits < 0 ? Number(`${text}${'0'.repeat(-digits)}`) : msOfTicks(text, digits)
}

function suffixOf(tags: ReadonlyMap<string, string>): string {
  if (tags.size === 0) return ''
  const ordered = [...tags].sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${ordered.map(([key, value]) => `${escaped(key)}=${escaped(value)}`).join(',')}}`
}

/** As line protocol escapes them, so that no two sets of tags make the same name. */
function escaped(text: string): string {
  return text.replace(/[,=}\\]/g, '\\$&')
}

/** A place in the text of one line. */
class Line {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get isDone(): boolean {
    return this.#at >= this.#text.length
  }

  /** The next character; undefined at the end. */
  get peek(): string | undefined {
    return this.#text[this.#at]
  }

  take(character: string): boolean {
    if (this.peek !== character) return false
    this.#at += 1
    return true
  }

  skipSpaces(): void {
    while (this.peek === ' ') this.#at += 1
  }

  /** Up to one of `ends`. A backslash before a comma, an equals sign or a space is an escape, before all else it is itself. */
  name(ends: string): string {
    const start = this.#at
    let text = ''
    let from = start
    while (!this.isDone) {
      const character = this.#text[this.#at] as string
      const following = this.#text[this.#at + 1]
      if (character === '\\' && following !== undefined && (following === ',' || following === '=' || following === ' ')) {
        text += this.#text.slice(from, this.#at)
        from = this.#at + 1
        this.#at += 2
      } else if (ends.includes(character)) break
      else this.#at += 1
    }
    return from === start ? this.#text.slice(start, this.#at) : text + this.#text.slice(from, this.#at)
  }

  /** Up to a comma, a space or the end. */
  bare(): string {
    const start = this.#at
    while (!this.isDone && this.peek !== ',' && this.peek !== ' ') this.#at += 1
    return this.#text.slice(start, this.#at)
  }

  /** A string in double quotes; in it a backslash escapes double quotes and itself. */
  quoted(): string {
    this.#at += 1
    let text = ''
    for (let from = this.#at; !this.isDone; this.#at += 1) {
      if (this.peek === '"') {
        text += this.#text.slice(from, this.#at)
        this.#at += 1
        return text
      }
      const following = this.#text[this.#at + 1]
      if (this.peek !== '\\' || (following !== '"' && following !== '\\')) continue
      text += this.#text.slice(from, this.#at)
      from = this.#at + 1
      this.#at += 1
    }
    return refuseRow('a string is not closed by double quotes')
  }
}
