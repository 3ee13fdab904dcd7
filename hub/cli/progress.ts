// How far something is, on stderr: a bar that moves where someone looks, a line now and then where the output is kept.
import type { Terminal } from './command.ts'

type Unit = 'points' | 'devices' | 'bytes'

const barEveryMs = 100
const lineEveryMs = 10_000
const barWidth = 24

export class Progress {
  readonly #stderr: Terminal['stderr']
  readonly #verb: string
  readonly #unit: Unit
  /** Undefined when nobody knows. */
  readonly #total: number | undefined
  readonly #startMs = performance.now()
  #saidMs = this.#startMs
  #hasBar = false
  #done = 0

  constructor({ stderr }: Terminal, verb: string, unit: Unit, total: number | undefined) {
    this.#stderr = stderr
    this.#verb = verb
    this.#unit = unit
    this.#total = total
  }

  get done(): number {
    return this.#done
  }

  add(more: number): void {
    this.#done += more
    const nowMs = performance.now()
    if (nowMs - this.#saidMs < (this.#stderr.isTTY === true ? barEveryMs : lineEveryMs)) return
    this.#saidMs = nowMs
    if (this.#stderr.isTTY === true) {
      this.#stderr.write(`\r${this.#bar()}${this.#text()}\u001b[K`) // to the end of the line: the one before may have been longer
      this.#hasBar = true
    } else this.#stderr.write(`mooring: ${this.#text()}\n`)
  }

  /** The bar makes room for what comes next. */
  end(): void {
    if (this.#hasBar) this.#stderr.write('\r\u001b[K')
    this.#hasBar = false
  }

  #bar(): string {
    if (this.#total === undefined || this.#total === 0) return ''
    const filled = Math.min(barWidth, Math.floor((this.#done / this.#total) * barWidth))
    return `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] `
  }

  #text(): string {
    const perSecond = this.#done / Math.max(0.001, (performance.now() - this.#startMs) / 1000)
    const total = this.#total === undefined ? '' : ` of ${amount(this.#total, this.#unit)}`
    return `${this.#verb} ${amount(this.#done, this.#unit)}${total}, ${amount(perSecond, this.#unit)}/s`
  }
}

/** `1,234,567 points`, `12.3 MB`. */
export function amount(count: number, unit: Unit): string {
  const rounded = Math.round(count)
  if (unit !== 'bytes') return `${rounded.toLocaleString('en-US')} ${rounded === 1 ? unit.slice(0, -1) : unit}`
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`
}
