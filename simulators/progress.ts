/** Shows how a run goes: on a terminal one line that is written over, elsewhere (a log, a pipe) a line now and then. */
export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #line: () => string
  #timer: NodeJS.Timeout | undefined

  constructor(stream: NodeJS.WriteStream, line: () => string) {
    this.#stream = stream
    this.#line = line
  }

  start(): void {
    this.#timer = setInterval(() => this.#show(), this.#stream.isTTY ? 500 : 5000)
  }

  /** Leaves the cursor at the beginning of an empty line. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[2K')
  }

  #show(): void {
    if (!this.#stream.isTTY) this.#stream.write(`${this.#line()}\n`)
    // A line longer than the terminal would wrap, and then `\r` does not find its beginning.
    else this.#stream.write(`\r\x1b[2K${this.#line().slice(0, this.#stream.columns - 1)}`)
  }
}
