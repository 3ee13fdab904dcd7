// A turn of the loop is a batch: whatever a connection has to say in it goes out in one write at its end.

export interface Touched {
  /** Set while it waits for the end of the turn. */
  touched: boolean
  /** Writes all that was gathered. */
  flush(): void
}

export class Turn {
  #touched: Touched[] = []
  readonly #end = () => this.#flush()

  touch(one: Touched): void {
    if (one.touched) return
    one.touched = true
    // setImmediate runs after all sockets that were readable in this turn have been handled.
    if (this.#touched.push(one) === 1) setImmediate(this.#end)
  }

  #flush(): void {
    const touched = this.#touched
    this.#touched = []
    for (const one of touched) {
      one.touched = false
      one.flush()
    }
  }
}
