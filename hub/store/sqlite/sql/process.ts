// In the loop: the process that runs SQL, one statement at a time. It is started when somebody asks, killed when a statement takes too long
// or nobody waits for it any more, and ended when nobody asks for a while.
import { type ChildProcess, spawn } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../../clock.ts'
import { Refusal } from '../../../errors.ts'
import { KiB, limits } from '../../../limits.ts'
import type { Sql, SqlAnswer, SqlQuery } from '../../sql.ts'
import type { SqlCall, SqlReply } from './sql.ts'

/** V8's own: what SQLite needs lies outside of it. */
const flags = ['--max-old-space-size=128', '--max-semi-space-size=8']
/** Only a shell can bound what its process may take: data (KiB), CPU time (s), no files, no core dumps. */
const bounded = `ulimit -d ${limits.sqlMemoryBytes / KiB}; ulimit -t ${limits.sqlCpuSeconds}; ulimit -f 0; ulimit -c 0; exec "$@"`
/** Signals of a process that found no memory, or used up its CPU time. */
const memorySignals: ReadonlySet<string | null> = new Set(['SIGABRT', 'SIGTRAP', 'SIGILL', 'SIGSEGV', 'SIGBUS', 'SIGKILL'])
const timeSignal = 'SIGXCPU'

export interface SqlProcessOptions {
  readonly folder: string
  readonly clock: Clock
  /** Resolves when everything that was stored before the call is in the tables. */
  settle(): Promise<void>
  /** How long a statement may take (and what has to come before it, once more), and how long the process stays when nobody asks. */
  readonly queryMs: number
  readonly idleMs: number
}

interface Asked {
  readonly query: SqlQuery
  resolve(answer: SqlAnswer): void
  reject(why: unknown): void
}

interface Running extends Asked {
  readonly id: number
  startedMs: number
  readonly deadline: NodeJS.Timeout
  readonly rows: Uint8Array[]
}

export class SqlProcess implements Sql {
  readonly #options: SqlProcessOptions
  readonly #waiting: Asked[] = []
  #running: Running | undefined
  #child: ChildProcess | undefined
  #childrenGone: Promise<void> = Promise.resolve()
  #idle: NodeJS.Timeout | undefined
  #lastId = 0
  #closed = false

  constructor(options: SqlProcessOptions) {
    this.#options = options
  }

  /** Of the process, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  query(query: SqlQuery, signal?: AbortSignal): Promise<SqlAnswer> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#closed) throw closing()
      if (this.#waiting.length >= limits.sqlWaiting) throw new Refusal('too-many-queries', { limit: limits.sqlWaiting, name: 'sqlWaiting' })
      const onAbort = () => this.#abandon(asked, signal!.reason)
      const settled = () => signal?.removeEventListener('abort', onAbort)
      const asked: Asked = {
        query,
        resolve(answer) {
          settled()
          resolve(answer)
        },
        reject(why) {
          settled()
          reject(why)
        },
      }
      signal?.addEventListener('abort', onAbort)
      this.#waiting.push(asked)
      this.#next()
    })
  }

  /** Resolves when the process is gone; who waits is told. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { reject } of this.#waiting.splice(0)) reject(closing())
    this.#end(closing())
    this.#kill()
    await this.#childrenGone
  }

  #next(): void {
    if (this.#running !== undefined) return
    const asked = this.#waiting.shift()
    if (asked === undefined) {
      this.#idle ??= setTimeout(() => this.#kill(), this.#options.idleMs).unref()
      return
    }
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#lastId += 1
    const id = this.#lastId
    const deadline = setTimeout(() => {
      this.#kill()
      this.#end(new Refusal('query-too-long', { limit: this.#options.queryMs }))
    }, this.#options.queryMs)
    this.#running = { ...asked, id, startedMs: performance.now(), deadline, rows: [] }
    this.#options.settle().then(
      () => this.#ask(id, asked.query),
      (error: unknown) => this.#endOf(id, error),
    )
  }

  #ask(id: number, query: SqlQuery): void {
    if (this.#running?.id !== id) return
    const call: SqlCall = { id, query, nowMs: this.#options.clock.now() }
    this.#child ??= this.#start()
    this.#child.send(call) // what cannot be sent ends with the process, which `exit` tells
  }

  #start(): ChildProcess {
    const path = fileURLToPath(new URL(`./sql${extname(import.meta.url)}`, import.meta.url))
    const { TZ } = process.env // the only variable that SQLite looks at
    const child = spawn('/bin/sh', ['-c', bounded, 'sh', process.execPath, ...flags, path, this.#options.folder], {
      env: TZ === undefined ? {} : { TZ },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'advanced',
    })
    child.on('message', (reply: SqlReply) => this.#onReply(child, reply))
    const gone = new Promise<void>((resolve) => {
      child.on('error', (error) => {
        this.#onEnd(child, error)
        if (child.pid === undefined) resolve()
      })
      child.once('exit', (code, signal) => {
        this.#onEnd(child, failureOf(code, signal))
        resolve()
      })
    })
    this.#childrenGone = this.#childrenGone.then(() => gone)
    child.unref()
    child.channel?.unref() // the hub may end without it
    return child
  }

  #onReply(child: ChildProcess, reply: SqlReply): void {
    const running = this.#running
    if (running === undefined || running.id !== reply.id) return
    if (reply.is === 'begun') {
      running.startedMs = performance.now()
      running.deadline.refresh()
      return
    }
    if (reply.is === 'rows') {
      running.rows.push(reply.bytes)
      return
    }
    if (reply.is !== 'done') {
      // A process that ran out of memory may have too little left for the next statement.
      if (reply.is === 'refused' && reply.code === 'query-too-large') this.#kill()
      this.#end(
        reply.is === 'refused'
          ? Object.assign(new Refusal(reply.code), { message: reply.message })
          : new Error(`SQL could not read the store: ${reply.message}`),
      )
      return
    }
    const { columns, rowCount, truncatedBy, scanned, damaged, cpuMs } = reply
    const elapsedMs = performance.now() - running.startedMs
    if (child === this.#child && cpuMs > (limits.sqlCpuSeconds * 1000) / 2) this.#kill()
    running.resolve({ columns, rows: running.rows, rowCount, truncatedBy, elapsedMs, scanned, damaged })
    this.#end(undefined)
  }

  #onEnd(child: ChildProcess, why: unknown): void {
    if (child !== this.#child) return
    this.#child = undefined
    this.#end(why)
  }

  #abandon(asked: Asked, why: unknown): void {
    const at = this.#waiting.indexOf(asked)
    if (at !== -1) {
      this.#waiting.splice(at, 1)
      asked.reject(why)
    } else if (this.#running?.reject === asked.reject) {
      this.#kill()
      this.#end(why)
    }
  }

  #endOf(id: number, why: unknown): void {
    if (this.#running?.id === id) this.#end(why)
  }

  /** The running statement is over; a promise that is settled already does not mind. */
  #end(why: unknown): void {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    clearTimeout(running.deadline)
    running.reject(why)
    this.#next()
  }

  /** It holds nothing that would have to be put away, and SQLite inside it would not listen to anything milder. */
  #kill(): void {
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }
}

function closing(): Refusal {
  return new Refusal('shutting-down', { seconds: 1 })
}

function failureOf(code: number | null, signal: NodeJS.Signals | null): Error {
  if (signal === timeSignal) return new Refusal('query-too-long', { limit: limits.queryMs })
  if (memorySignals.has(signal))
    return new Refusal('query-too-large', { detail: 'it needs more memory than it may have (limits.sqlMemoryBytes)' })
  return new Error(`The process for SQL ended by itself (exit code ${code}).`)
}
