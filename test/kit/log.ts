// What the hub logs, line by line, and a wait for a line to come.
import pino, { type Logger } from 'pino'

const patienceMs = 5000

export class LogLines {
  readonly lines: { level: number; msg: string; [field: string]: unknown }[] = []
  readonly log: Logger
  #told: (() => void) | undefined

  constructor() {
    this.log = pino(
      { level: 'trace' },
      {
        write: (line: string) => {
          this.lines.push(JSON.parse(line) as { level: number; msg: string })
          this.#told?.()
        },
      },
    )
  }

  at(level: 'info' | 'warn' | 'error'): string[] {
    return this.lines.filter((line) => line.level === pino.levels.values[level]).map(({ msg }) => msg)
  }

  async until(level: 'info' | 'warn' | 'error', sentence: RegExp): Promise<void> {
    await within(`a line that says ${sentence}`, async () => {
      while (!this.at(level).some((line) => sentence.test(line))) await new Promise<void>((resolve) => (this.#told = resolve))
    })
  }
}

/** A wait that ends with a sentence when it takes too long. */
export async function within<T>(what: string, wait: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patienceMs} ms for ${what}`)), patienceMs)
  })
  return await Promise.race([wait(), late]).finally(() => clearTimeout(timer))
}
