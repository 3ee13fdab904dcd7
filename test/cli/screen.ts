// What stands on a terminal after what was written to it: as much of one as the command line needs, and an error for the rest.
import assert from 'node:assert/strict'

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const part = /\u001b\[(\??[\d;]*)([A-Za-z])|(\r|\n|[^\u0000-\u001f\u007f-\u009f]+)/gy

export class TerminalScreen {
  readonly #rows: string[] = []
  #row = 0
  #column = 0
  /** Modes by their number, as the last `h` or `l` left them. */
  readonly modes = new Map<string, boolean>()

  constructor(output: string) {
    part.lastIndex = 0
    while (part.lastIndex < output.length) {
      const from = part.lastIndex
      const found = part.exec(output)
      assert.ok(found !== null, `what is ${JSON.stringify(output.slice(from, from + 20))} to a terminal?`)
      const [, numbers = '', command, text] = found
      if (command !== undefined) this.#do(command, numbers)
      else if (text === '\r') this.#column = 0
      else if (text === '\n') this.#row++
      else this.#put(text as string)
    }
  }

  /** Without what is blank behind them. */
  get lines(): string[] {
    return Array.from(this.#rows, (row = '') => row.trimEnd())
  }

  get text(): string {
    return this.lines.join('\n')
  }

  #do(command: string, numbers: string): void {
    if (command === 'm') return
    if (command === 'h' || command === 'l') {
      this.modes.set(numbers, command === 'h')
      if (numbers === '?1049') this.#rows.length = 0
    } else if (command === 'H') [this.#row, this.#column] = numbers.split(';').map((number) => Number(number || 1) - 1) as [number, number]
    else if (command === 'J' && numbers === '2') this.#rows.length = 0
    else if (command === 'K' && numbers === '2') this.#rows[this.#row] = ''
    else assert.fail(`what is CSI ${numbers}${command} to a terminal?`)
  }

  #put(text: string): void {
    const before = (this.#rows[this.#row] ?? '').padEnd(this.#column)
    this.#rows[this.#row] = before.slice(0, this.#column) + text + before.slice(this.#column + text.length)
    this.#column += text.length
  }
}
