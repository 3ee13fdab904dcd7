// Rows as a table for people and as CSV for programs, and the answer to a statement, as the hub sends it.

export type Cell = string | number | bigint | null | { readonly base64: string }

export interface Column {
  readonly name: string
  /** Numbers stand at the right: `integer`, `real`. */
  readonly type?: string
}

export interface Answer {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
  readonly rowCount: number
  readonly truncatedBy?: string
  readonly elapsedMs: number
  readonly scanned: { readonly points: number }
  readonly damaged: readonly { readonly from: number; readonly to: number }[]
}

/** Undefined when it is none. Whole numbers that a float64 does not hold are kept to the digit. */
export function answerIn(text: string): Answer | undefined {
  try {
    const answer = JSON.parse(text, exact) as Partial<Answer> | null
    return Array.isArray(answer?.columns) && Array.isArray(answer.rows) ? (answer as Answer) : undefined
  } catch {
    return undefined
  }
}

function exact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source ?? ''
  return /^-?\d+$/.test(source) ? BigInt(source) : value
}

const gap = '  '
/** How narrow a column of texts is made for a screen, and how wide one is laid out without: what is longer stands out of its column. */
const narrowest = 8
const widest = 200

/** Cut to a screen that is so wide, if there is one, where texts are long. */
export function tableOf({ columns, rows }: Pick<Answer, 'columns' | 'rows'>, screenWidth: number | undefined): string {
  const isNumber = columns.map(({ type }) => type === 'integer' || type === 'real')
  const lines = [columns.map(({ name }) => visible(name)), ...rows.map((row) => row.map((cell) => visible(textOf(cell))))]
  const widths = columns
    .map((_, at) => lines.reduce((width, line) => Math.max(width, widthOf(line[at]!)), 1))
    .map((width) => Math.min(width, widest))
  const places = screenWidth === undefined ? widths : narrowed(widths, isNumber, screenWidth)
  const [header = '', ...below] = lines.map((line) => {
    const cells = line.map((text, at) => {
      const shown = screenWidth === undefined ? text : shortened(text, places[at]!)
      const room = ' '.repeat(Math.max(0, places[at]! - widthOf(shown)))
      return isNumber[at] ? room + shown : shown + room
    })
    return cells.join(gap).trimEnd()
  })
  return `${[header, places.map((width) => '-'.repeat(width)).join(gap), ...below].join('\n')}\n`
}

/** RFC 4180. */
export function csvOf({ columns, rows }: Answer): string {
  return [csvLineOf(columns.map(({ name }) => name)), ...rows.map(csvLineOf)].join('')
}

export function csvLineOf(cells: readonly Cell[]): string {
  return `${cells.map((cell) => (cell === null ? '' : field(textOf(cell)))).join(',')}\r\n`
}

function field(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function textOf(cell: Cell): string {
  if (cell === null) return ''
  if (typeof cell === 'object') return cell.base64
  return Object.is(cell, -0) ? '-0' : String(cell)
}

/** A row is a line, and what a device sent does not steer the terminal. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => {
    return char === '\n' ? '\\n' : char === '\t' ? '\\t' : `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`
  })
}

/** The widest texts give way first, all to the same width; numbers stay whole. */
function narrowed(widths: readonly number[], isNumber: readonly boolean[], screenWidth: number): number[] {
  const upTo = (most: number) => widths.map((width, at) => (isNumber[at] ? width : Math.min(width, most)))
  let most = screenWidth
  while (most > narrowest && upTo(most).reduce((sum, width) => sum + width + gap.length, -gap.length) > screenWidth) most -= 1
  return upTo(most)
}

export function shortened(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let shown = ''
  let room = width - 1
  for (const char of text) {
    room -= widthOf(char)
    if (room < 0) break
    shown += char
  }
  return `${shown}…`
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u

/** Cells of a terminal: of most letters one, of those of East Asia two, of accents that join a letter none. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const char of text.replace(/\p{Mn}|\p{Me}|\u200d/gu, '')) width += wide.test(char) ? 2 : 1
  return width
}
