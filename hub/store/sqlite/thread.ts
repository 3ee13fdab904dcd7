// Worker threads behind one function: `startThread` runs a module in a thread of its own and calls its functions as promises;
// `serve` is the other end. A Refusal stays a Refusal on the way, every other error keeps its message, code and stack.
import { basename, extname } from 'node:path'
import { parentPort, type Transferable, Worker } from 'node:worker_threads'
import { Refusal, type RefusalCode } from '../../errors.ts'

// biome-ignore lint/suspicious/noExplicitAny: the one place where functions of any shape are named; every use below infers the shape
type Functions = { readonly [name: string]: (...args: any[]) => unknown }

interface Call {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

type Answer =
  | { readonly is: 'value'; readonly id: number; readonly value: unknown }
  | { readonly is: 'error'; readonly id: number; readonly error: SentError }
  | { readonly is: 'notice'; readonly name: string; readonly value: unknown }

interface SentError {
  readonly refusal: RefusalCode | undefined
  readonly name: string
  readonly message: string
  readonly code: unknown
  readonly stack: string | undefined
}

export interface Thread<Served extends Functions> {
  /** Calls one of the thread's functions. What `transfer` lists moves there instead of being copied. */
  call<Name extends keyof Served & string>(
    name: Name,
    args: Parameters<Served[Name]>,
    transfer?: readonly Transferable[],
  ): Promise<Awaited<ReturnType<Served[Name]>>>
  /** Ends the thread without a word of complaint. */
  stop(): Promise<void>
}

/** What the thread says unasked: one function per kind of notice, each taking one value. */
export type Notices = { readonly [name: string]: (value: never) => void }

/**
 * Starts a module in a thread. `died` is told, once, when the thread ends without `stop`; calls that wait for it are rejected.
 *
 * @param module its path from here without extension: the source runs as `.ts`, a release as `.js`
 */
export function startThread<Served extends Functions>(module: string, notices: Notices, died: (error: Error) => void): Thread<Served> {
  const name = basename(module)
  const worker = new Worker(new URL(`./${module}${extname(import.meta.url)}`, import.meta.url), { name: `mooring ${name}` })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let lastId = 0
  let ended: Error | undefined

  function end(error: Error, told: boolean): void {
    if (ended !== undefined) return
    ended = error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    if (told) died(error)
  }

  worker.on('message', (answer: Answer) => {
    // The cast is the price of a message: what arrives under a name is what that name's notice takes.
    if (answer.is === 'notice') return notices[answer.name]!(answer.value as never)
    const caller = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (answer.is === 'value') caller?.resolve(answer.value)
    else caller?.reject(received(answer.error))
  })
  worker.on('error', (error: Error) => end(error, true))
  worker.on('exit', (code) => end(new Error(`The ${name} thread ended by itself (exit code ${code}).`), true))

  return {
    call(name, args, transfer = []) {
      if (ended !== undefined) return Promise.reject(ended)
      return new Promise((resolve, reject) => {
        lastId += 1
        waiting.set(lastId, { resolve: resolve as (value: unknown) => void, reject })
        worker.postMessage({ id: lastId, name, args } satisfies Call, transfer)
      })
    },
    async stop() {
      end(new Error(`The ${name} thread was stopped.`), false)
      await worker.terminate()
    },
  }
}

const transfers = new WeakMap<object, readonly Transferable[]>()

/** In the thread: an answer of which these parts move to the caller instead of being copied. Each must lie in a buffer of its own. */
export function handingOver<Answer extends object>(answer: Answer, transfer: readonly Transferable[]): Answer {
  transfers.set(answer, transfer)
  return answer
}

/** In the thread: answers calls with these functions, one message each, in the order they came unless a function waits. */
export function serve(functions: Functions): void {
  const port = mainPort()
  port.on('message', ({ id, name, args }: Call) => {
    const answer = (value: unknown) => {
      const transfer = typeof value === 'object' && value !== null ? transfers.get(value) : undefined
      port.postMessage({ is: 'value', id, value } satisfies Answer, transfer)
    }
    const refuse = (error: unknown) => port.postMessage({ is: 'error', id, error: sent(error) } satisfies Answer)
    try {
      const value = functions[name]!(...args)
      if (value instanceof Promise) value.then(answer).catch(refuse)
      else answer(value)
    } catch (error) {
      refuse(error)
    }
  })
}

/** In the thread: tells the loop something it did not ask for. */
export function notify(name: string, value: unknown, transfer: readonly Transferable[] = []): void {
  mainPort().postMessage({ is: 'notice', name, value } satisfies Answer, transfer)
}

function mainPort(): NonNullable<typeof parentPort> {
  if (parentPort === null) throw new Error('This module runs in a thread; start it with startThread.')
  return parentPort
}

function sent(error: unknown): SentError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return { refusal: error instanceof Refusal ? error.code : undefined, name, message, code, stack }
}

function received({ refusal, name, message, code, stack }: SentError): Error {
  const error = refusal === undefined ? Object.assign(new Error(), { name, code }) : new Refusal(refusal)
  error.message = message
  if (stack !== undefined) error.stack = stack
  return error
}
