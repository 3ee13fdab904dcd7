/** A promise and its two ends: somebody waits here, somebody else will know. */
export class Waiter<T> {
  readonly promise: Promise<T>
  resolve!: (value: T) => void
  reject!: (error: Error) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** Waits at most `timeoutMs`, then rejects with `sentence`. */
  async within(timeoutMs: number, sentence: string): Promise<T> {
    const timer = setTimeout(() => this.reject(new Error(sentence)), timeoutMs)
    try {
      return await this.promise
    } finally {
      clearTimeout(timer)
    }
  }
}
