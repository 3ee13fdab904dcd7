// A hub as a child process: started with `--ready-json`, so that whoever starts it knows its ports and when it is ready.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const mainPath = fileURLToPath(new URL('../hub/main.ts', import.meta.url))
const readyWithinMs = 30_000 // a database that needs recovery takes its time
const stopWithinMs = 15_000

/** As `npm start` and the image have it; why, says hub/README.md. */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=8']

/** The one line the hub prints; the ports it really listens on. */
export interface Ready {
  readonly mqtt: number
  readonly http: number
  /** Undefined: it does not listen with TLS. */
  readonly mqtts?: number
  readonly pid: number
}

export interface HubProcess extends Ready {
  /** Settles with the exit code, or the signal's name, when the process is gone, for whatever reason. */
  readonly exited: Promise<number | string>
  /** SIGTERM, and SIGKILL when that takes longer than 15 s. */
  stop(): Promise<number | string>
}

export interface HubProcessOptions {
  /** Words in front of the command, such as `taskset -c 0`. */
  readonly wrapper?: readonly string[]
  /** Gets what the hub prints after its ready line. Left out, it is dropped. */
  readonly output?: NodeJS.WritableStream
}

/** The hub ended before it was ready. Its own words are on stderr already. */
export class HubDied extends Error {
  readonly exit: number | string

  constructor(exit: number | string) {
    super(`The hub ended with ${exit} before it was ready.`)
    this.exit = exit
  }
}

/** Rejects with `HubDied` when it ends first, or after 30 s. */
export async function startHubProcess(settings: readonly string[], { wrapper = [], output }: HubProcessOptions = {}): Promise<HubProcess> {
  const [command, ...words] = [...wrapper, process.execPath, ...nodeFlags, mainPath, '--ready-json', ...settings]
  // A group of its own: Ctrl-C in the terminal must reach the fleet first and the hub only when the fleet has gone home.
  const child = spawn(command!, words, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const exited = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 1))
  })
  const killOnExit = () => child.kill('SIGKILL')
  process.once('exit', killOnExit)
  exited.then(() => process.off('exit', killOnExit))

  const ready = await Promise.race([readyLine(child, output), exited.then((exit) => Promise.reject(new HubDied(exit)))])
  return {
    ...ready,
    exited,
    stop: async () => {
      child.kill('SIGTERM')
      const impatient = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
      const exit = await exited
      clearTimeout(impatient)
      return exit
    },
  }
}

/** Passes on every other line. The first `{"ready":true,…}` settles the promise. */
function readyLine(child: ChildProcess, output: NodeJS.WritableStream | undefined): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`The hub was not ready within ${readyWithinMs / 1000} s.`))
    }, readyWithinMs)
    let held = ''
    let isReady = false
    child.once('exit', () => clearTimeout(timer))
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (isReady) {
        output?.write(text)
        return
      }
      const lines = (held + text).split('\n')
      held = lines.pop() ?? ''
      for (const line of lines) {
        const ready = isReady ? undefined : readyOf(line)
        if (ready === undefined) {
          output?.write(`${line}\n`)
          continue
        }
        isReady = true
        clearTimeout(timer)
        resolve(ready)
      }
    })
  })
}

function readyOf(line: string): Ready | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const words = JSON.parse(line) as Partial<Ready> & { readonly ready?: boolean }
    if (words.ready !== true || typeof words.mqtt !== 'number' || typeof words.http !== 'number' || typeof words.pid !== 'number')
      return undefined
    const secure = typeof words.mqtts === 'number' ? { mqtts: words.mqtts } : {}
    return { mqtt: words.mqtt, http: words.http, ...secure, pid: words.pid }
  } catch {
    return undefined // a line of the log that happens to begin with a brace
  }
}
