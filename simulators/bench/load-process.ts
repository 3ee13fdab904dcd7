// The load generator as a process of its own, so that its work is neither the bench's nor the server's.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LoadOptions, Outcome } from './load.ts'
import { pinnedTo } from './servers.ts'

const loadPath = fileURLToPath(new URL('./load.ts', import.meta.url))

export interface LoadProcess {
  readonly child: ChildProcess
  /** Errors: an `Error` when it ends without a word. */
  readonly outcome: Promise<Outcome>
}

/** It ends with this process, whatever ends that. */
export function startLoad(load: LoadOptions): LoadProcess {
  const [command, ...words] = [...pinnedTo(1), process.execPath, loadPath, JSON.stringify(load)]
  const child = spawn(command!, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const killOnExit = () => child.kill('SIGKILL')
  process.once('exit', killOnExit)
  let line = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    line += text
  })
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exit) => {
      process.off('exit', killOnExit)
      if (line === '') reject(new Error(`the load generator ended with ${exit} and said nothing.`))
      else resolve(JSON.parse(line) as Outcome)
    })
  })
  outcome.catch(() => {}) // whoever kills it does not ask what became of it
  return { child, outcome }
}
