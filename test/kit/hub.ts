// A real hub for a test: free ports, a new folder for its database, both gone after the test.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import pino from 'pino'
import type { Clock } from '../../hub/clock.ts'
import { type Settings, settingsWith } from '../../hub/config.ts'
import { type Hub, type HubOptions, startHub as start } from '../../hub/hub.ts'
import { nodeFlags } from '../../simulators/hub-process.ts'
import { atEnd } from './at-end.ts'

export interface TestHub {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly mqttPort: number
  readonly folder: string
  get(path: string): Promise<unknown>
  post(path: string, body: string | object, headers?: Record<string, string>): Promise<Response>
  stop(): Promise<void>
}

export interface InProcessHub extends TestHub {
  readonly hub: Hub
}

export function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-test-'))
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** In this process: fast to start, and its parts can be looked at. */
export async function startHub(
  t: TestContext,
  changes: Partial<Settings> = {},
  clock?: Clock,
  more: Partial<Pick<HubOptions, 'log' | 'extensions'>> = {},
): Promise<InProcessHub> {
  const folder = changes.data ?? newFolder(t)
  const settings = settingsWith({ mqttPort: 0, httpPort: 0, mqttsPort: 'off', httpsPort: 'off', ...changes, data: folder })
  const log = pino({ level: process.env['MOORING_TEST_LOG'] ?? 'silent' }, pino.destination({ dest: 2, sync: true }))
  let fatal: Error | undefined
  const hub = await start({ settings, log, ...(clock === undefined ? {} : { clock }), ...more, onFatal: (error) => (fatal = error) })
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= hub.stop())
  atEnd(t, async () => {
    await stop()
    if (fatal !== undefined) throw fatal
  })
  return { hub, folder, stop, ...client(hub.listeners.http.port, hub.listeners.mqtt?.port ?? 0) }
}

export interface HubProcess extends TestHub {
  readonly child: ChildProcess
  readonly pid: number
  /** What it printed to stderr so far. */
  stderr(): string
  /** Ends it at once, as a power cut would end the process, and waits until it is gone. */
  kill(): Promise<void>
  /** Resolves with its exit code. */
  readonly exited: Promise<number | null>
}

/** As a process of its own, started the way `npm start` does: for kill -9, signals and exit codes. */
export async function spawnHub(t: TestContext, folder: string, ...flags: string[]): Promise<HubProcess> {
  const main = join(import.meta.dirname, '..', '..', 'hub', 'main.ts')
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const args = [...nodeFlags, main, '--ready-json', ...ports, '--data', folder, '--log-level', 'warn', ...flags]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  atEnd(t, async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })
  const line = await Promise.race([once(createInterface(child.stdout), 'line').then(([text]) => text as string), exited])
  if (typeof line !== 'string') throw new Error(`the hub ended with ${line} before it was ready: ${stderr}`)
  const ready = JSON.parse(line) as { mqtt: number; http: number; pid: number }
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
  }
  return { child, pid: ready.pid, folder, stderr: () => stderr, kill, stop, exited, ...client(ready.http, ready.mqtt) }
}

function client(httpPort: number, mqttPort: number): Pick<TestHub, 'url' | 'mqttPort' | 'get' | 'post'> {
  const url = `http://127.0.0.1:${httpPort}`
  return {
    url,
    mqttPort,
    async get(path) {
      const response = await fetch(url + path)
      return response.json()
    },
    post: (path, body, headers = {}) =>
      fetch(url + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers }),
  }
}
