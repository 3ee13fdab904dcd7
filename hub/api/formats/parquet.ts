// Parquet behind promises: encoding and decoding run in a thread of their own, one for each file, so that the loop never waits for them.
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Refusal } from '../../errors.ts'
import { limits, MiB } from '../../limits.ts'
import type { ReadRow } from './parquet-decoder.ts'
import type { Answer, Question, SentRefusal } from './parquet-thread.ts'
import type { Rows } from './row.ts'

export class ParquetExport {
  readonly #thread = new ParquetThread()

  /** The bytes that follow, often none. One call at a time. */
  add({ device, metric, times, values }: Rows): Promise<Uint8Array> {
    return this.#bytes({ is: 'add', rows: { device, metric, times, values } })
  }

  finish(): Promise<Uint8Array> {
    return this.#bytes({ is: 'finish' })
  }

  close(): void {
    this.#thread.close()
  }

  async #bytes(question: Question): Promise<Uint8Array> {
    const answer = await this.#thread.ask(question)
    return answer.is === 'bytes' ? answer.bytes : new Uint8Array()
  }
}

export class ParquetImport {
  readonly #thread = new ParquetThread()

  /** Errors: `request-invalid`. */
  async open(path: string): Promise<void> {
    await this.#thread.ask({ is: 'open', path })
  }

  /** None at the end. Errors: `request-invalid`. */
  async next(count: number): Promise<readonly ReadRow[]> {
    const answer = await this.#thread.ask({ is: 'next', count })
    return answer.is === 'rows' ? answer.rows.map((row) => ('code' in row ? received(row) : row)) : []
  }

  close(): void {
    this.#thread.close()
  }
}

class ParquetThread {
  readonly #worker = new Worker(new URL(`./parquet-thread${extname(import.meta.url)}`, import.meta.url), {
    name: 'mooring parquet',
    resourceLimits: { maxOldGenerationSizeMb: limits.parquetThreadBytes / MiB },
  })
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined = undefined
  #ended: Error | undefined = undefined

  constructor() {
    this.#worker.on('message', (answer: Answer) => {
      const waiting = this.#waiting
      this.#waiting = undefined
      if (answer.is === 'refused') waiting?.reject(received(answer.why))
      else waiting?.resolve(answer)
    })
    this.#worker.on('error', (error: Error & { code?: unknown }) => this.#end(isOutOfMemory(error) ? tooLarge() : error))
    this.#worker.on('exit', () => this.#end(new Error('The Parquet thread ended by itself.')))
  }

  ask(question: Question): Promise<Answer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#worker.postMessage(question)
    })
  }

  close(): void {
    this.#end(new Error('The Parquet thread was stopped.'))
    void this.#worker.terminate()
  }

  #end(error: Error): void {
    this.#ended ??= error
    this.#waiting?.reject(this.#ended)
    this.#waiting = undefined
  }
}

function isOutOfMemory({ code }: { readonly code?: unknown }): boolean {
  return code === 'ERR_WORKER_OUT_OF_MEMORY'
}

function tooLarge(): Refusal {
  return new Refusal('request-invalid', {
    detail: `a row group of the Parquet file takes more than ${limits.parquetThreadBytes} bytes to read (limits.parquetThreadBytes)`,
  })
}

function received({ code, detail }: SentRefusal): Refusal {
  const refusal = new Refusal(code)
  refusal.message = detail
  return refusal
}
