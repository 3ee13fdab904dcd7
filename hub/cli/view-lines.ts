// The table of topics, and one payload, as lines of a screen. Nothing of a device reaches it but visible characters.
import { shortened, visible, widthOf } from './table.ts'
import type { TopicLine } from './topics.ts'

export const orders = ['topic', 'rate', 'age'] as const
export type Order = (typeof orders)[number]

export interface Size {
  readonly columns: number
  readonly rows: number
}

export interface TableState {
  /** What is shown: filtered, and in order. */
  readonly lines: readonly TopicLine[]
  /** Of `lines`. */
  readonly selected: number
  /** The first of them on the screen. */
  readonly top: number
  readonly head: string
  readonly foot: string
}

/** Rows that are no topics: what it is about, the names of the columns, the keys. */
export const frameRows = 3
/** Of the screen, for a topic beside its payload. */
const topicShare = 0.4
const topicMin = 8
const [countWidth, rateWidth, ageWidth] = [10, 9, 8]
const [bold, inverse, dim] = [1, 7, 2]

export function orderedBy(order: Order, lines: readonly TopicLine[]): TopicLine[] {
  const byTopic = (a: TopicLine, b: TopicLine) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0)
  const compare = {
    topic: byTopic,
    rate: (a: TopicLine, b: TopicLine) => b.perSecond - a.perSecond || byTopic(a, b),
    age: (a: TopicLine, b: TopicLine) => a.ageMs - b.ageMs || byTopic(a, b),
  }[order]
  return lines.toSorted(compare)
}

export function tableLines({ lines, selected, top, head, foot }: TableState, { columns, rows }: Size): string[] {
  const widest = lines.reduce((width, line) => Math.max(width, line.width), topicMin)
  const topicWidth = Math.max(topicMin, Math.min(widest, Math.floor(columns * topicShare)))
  const rowOf = (mark: string, topic: string, count: string, rate: string, age: string, payload: string) => {
    const cells = [count.padStart(countWidth), rate.padStart(rateWidth), age.padStart(ageWidth)].join('')
    return shortened(`${mark} ${padded(shortened(topic, topicWidth), topicWidth)}${cells}  ${payload}`, columns)
  }
  const body = lines.slice(top, top + Math.max(0, rows - frameRows)).map((line, at) => {
    const { topic, count, perSecond, ageMs, isNew, text } = line
    const row = rowOf(isNew ? '*' : ' ', topic, count.toLocaleString('en-US'), perSecond.toFixed(1), ageOf(ageMs), payloadIn(text, columns))
    if (top + at === selected) return painted(padded(row, columns), inverse)
    return isNew ? painted(row, bold) : row
  })
  const names = rowOf(' ', 'topic', 'messages', 'rate/s', 'age', 'payload')
  return framed([painted(shortened(head, columns), bold), painted(names, dim), ...body], foot, { columns, rows })
}

/** The payload of one topic, JSON laid out, from this line of it on. */
export function payloadLines(line: TopicLine, top: number, foot: string, { columns, rows }: Size): string[] {
  const { topic, count, perSecond, ageMs } = line
  const head = `${counted(count, 'message')}, ${perSecond.toFixed(1)}/s, the newest ${ageOf(ageMs)} ago`
  const body = wholePayload(line, columns).slice(top, top + Math.max(0, rows - frameRows))
  return framed([painted(shortened(topic, columns), bold), painted(shortened(head, columns), dim), ...body], foot, { columns, rows })
}

/** All of it, in lines that fit. */
export function wholePayload({ text, isJson, left }: TopicLine, columns: number): string[] {
  const laidOut = isJson && left === 0 ? JSON.stringify(JSON.parse(text), null, 2) : text
  const lines = laidOut.split(/\r?\n/).flatMap((one) => wrapped(visible(one), columns))
  return left === 0 ? lines : [...lines, shortened(`… and ${left.toLocaleString('en-US')} characters more, which are not kept`, columns)]
}

/** `1 topic`, `1,234 topics` */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}

/** `3 s`, `12 min`, `5 h`, `40 d` */
export function ageOf(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.min(9999, Math.floor(seconds / 86_400))} d`
}

/** Cut before it is looked at: more than fits is not shown anyway. */
function payloadIn(text: string, columns: number): string {
  return visible(text.slice(0, 2 * columns))
}

/** The last row is the foot, wherever the body ends. */
function framed(lines: readonly string[], foot: string, { columns, rows }: Size): string[] {
  const above = lines.slice(0, rows - 1)
  return [...above, ...Array<string>(Math.max(0, rows - 1 - above.length)).fill(''), painted(shortened(foot, columns), dim)]
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

function painted(text: string, style: number): string {
  return `\u001b[${style}m${text}\u001b[0m`
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  let room = columns
  for (const char of text) {
    room -= widthOf(char)
    if (room < 0) {
      lines.push(line)
      line = ''
      room = columns - widthOf(char)
    }
    line += char
  }
  return [...lines, line]
}
