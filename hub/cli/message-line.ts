// A message as a line of a terminal.
import { shortened, visible, widthOf } from './table.ts'

/** A frame of the JSON protocol, as the hub writes it. */
export interface MessageFrame {
  readonly topic: string
  readonly at: number
  readonly payload?: unknown
  readonly text?: string
  readonly base64?: string
  readonly retain?: boolean
}

const colours = { dim: 2, topic: 36, name: 34, text: 32, number: 33, word: 35 } as const
/** Of the screen, for a topic beside its payload. */
const topicShare = 0.4

/** Time, topic and payload, cut to the width. */
export function lineOf(frame: MessageFrame, width: number, isColoured = process.env['NO_COLOR'] === undefined): string {
  const paint = (text: string, colour: keyof typeof colours) => (isColoured ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text)
  const time = clockTimeOf(frame.at)
  const topic = shortened(visible(frame.topic), Math.max(8, Math.floor(width * topicShare)))
  const mark = frame.retain === true ? ' (retained)' : ''
  const room = Math.max(1, width - time.length - 2 - widthOf(topic) - mark.length - 2)
  const head = `${paint(time, 'dim')}  ${paint(topic, 'topic')}${paint(mark, 'dim')}`
  return `${head}  ${payloadOf(frame, room, paint)}`
}

/** The payload in one piece, as it came: control characters are still in it. */
export function textOf({ payload, text, base64 }: MessageFrame): string {
  if (base64 !== undefined) return `base64 ${base64}`
  return payload === undefined ? (text ?? '') : JSON.stringify(payload)
}

function payloadOf(frame: MessageFrame, room: number, paint: (text: string, colour: keyof typeof colours) => string): string {
  const shown = shortened(visible(textOf(frame)), room)
  if (frame.base64 !== undefined) return paint(shown, 'dim')
  if (frame.payload === undefined) return shown
  return shown.replace(/"(?:[^"\\]|\\.)*"?(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g, (token, colon?: string) => {
    if (colon !== undefined) return `${paint(token.slice(0, -colon.length), 'name')}${colon}`
    if (token.startsWith('"')) return paint(token, 'text')
    return paint(token, /^[-\d]/.test(token) ? 'number' : 'word')
  })
}

/** Of this machine's clock, as whoever looks at it reads it. */
function clockTimeOf(ms: number): string {
  const at = new Date(ms)
  const digits = (count: number, places = 2) => `${count}`.padStart(places, '0')
  return `${digits(at.getHours())}:${digits(at.getMinutes())}:${digits(at.getSeconds())}.${digits(at.getMilliseconds(), 3)}`
}
