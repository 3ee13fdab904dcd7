// The whole screen of a terminal for a while: lines that changed are written, keys are told, and whatever ends it gives the screen back.
import { emitKeypressEvents } from 'node:readline'
import type { Terminal } from './command.ts'

export interface Key {
  /** `up`, `pagedown`, `return`, `escape` …; of a letter the letter. */
  readonly name: string
  readonly isCtrl: boolean
  /** What was typed, where it is text. */
  readonly text: string
}

/** As node:readline tells of a key. */
interface KeyPress {
  readonly name?: string
  readonly ctrl?: boolean
}

// The other screen, without a cursor, whose lines are not broken: a width that the terminal sees otherwise moves nothing.
const begin = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J'
const end = '\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l'

/** They would end the process and leave the terminal as it is. */
const signals = ['SIGTERM', 'SIGHUP'] as const

export class Screen {
  readonly #terminal: Terminal
  readonly #onGone: () => void
  readonly #onResize: () => void
  readonly #onKeyPress: (text: string | undefined, key: KeyPress) => void
  readonly #end = () => this.end()
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.end()
    process.kill(process.pid, signal) // nobody listens any more, so it ends as it would have
  }
  #shown: readonly string[] = []
  #isOver = false

  /** `onGone`: nobody is there to look any more. */
  constructor(terminal: Terminal, on: { key(key: Key): void; resize(): void; gone(): void }) {
    this.#terminal = terminal
    this.#onGone = () => on.gone()
    this.#onResize = () => {
      this.#shown = []
      this.#write('\u001b[2J')
      on.resize()
    }
    this.#onKeyPress = (text = '', { name = text, ctrl = false }) =>
      on.key({ name, isCtrl: ctrl, text: /^\P{Cc}+$/u.test(text) ? text : '' })
    const { stdin, stdout } = terminal
    stdout.on('resize', this.#onResize)
    for (const signal of signals) process.on(signal, this.#onSignal)
    process.on('exit', this.#end)
    process.on('uncaughtExceptionMonitor', this.#end) // before it is printed, which else nobody sees
    this.#write(begin)
    if (!this.hasKeys) return
    stdin.setRawMode?.(true)
    emitKeypressEvents(stdin)
    stdin.on('keypress', this.#onKeyPress)
    stdin.on('end', this.#onGone)
    stdin.resume()
  }

  /** stdin is a terminal too. */
  get hasKeys(): boolean {
    return this.#terminal.stdin.isTTY === true
  }

  get columns(): number {
    return this.#terminal.stdout.columns || 80
  }

  get rows(): number {
    return this.#terminal.stdout.rows || 24
  }

  /** At most as many lines as there are rows, none wider than the screen. */
  show(lines: readonly string[]): void {
    let text = ''
    for (let row = 0; row < Math.max(lines.length, this.#shown.length); row++) {
      const line = lines[row] ?? ''
      // Wiped first: behind a line that fills the screen the cursor stands on its last character.
      if (line !== this.#shown[row]) text += `\u001b[${row + 1};1H\u001b[2K${line}\u001b[0m`
    }
    this.#shown = lines
    if (text !== '') this.#write(text)
  }

  /** The terminal is as it was before. */
  end(): void {
    if (this.#isOver) return
    const { stdin, stdout } = this.#terminal
    this.#write(end)
    this.#isOver = true
    stdout.off('resize', this.#onResize)
    for (const signal of signals) process.off(signal, this.#onSignal)
    process.off('exit', this.#end)
    process.off('uncaughtExceptionMonitor', this.#end)
    if (!this.hasKeys) return
    stdin.off('keypress', this.#onKeyPress)
    stdin.off('end', this.#onGone)
    stdin.setRawMode?.(false)
    stdin.pause()
  }

  #write(text: string): void {
    if (this.#isOver) return
    this.#terminal.stdout.write(text, (error) => {
      if (error) this.#onGone()
    })
  }
}
