// The servers that are compared. Each run gets a fresh one, on free ports, with an empty folder, on core 0 when there are two.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startHubProcess } from '../hub-process.ts'

export interface Server {
  readonly pid: number
  readonly mqttPort: number
  /** Undefined: it does not speak MQTT over WebSocket. */
  readonly webSocketPort: number | undefined
  stop(): Promise<void>
}

interface Kind {
  readonly says: string
  /** Why it cannot run here; undefined when it can. */
  missing?(): string | undefined
  start(folder: string): Promise<Server>
}

export const servers = {
  floor: { says: 'a bare net server on the same Node: the lower bound', start: startFloor },
  hub: { says: 'Mooring, every message on disk before its PUBACK', start: (folder) => startHub(folder, 'fsync') },
  'hub-batched': { says: 'Mooring, survives its own crash, not a power cut', start: (folder) => startHub(folder, 'batched') },
  'hub-memory': { says: 'Mooring, answers before anything is on disk', start: (folder) => startHub(folder, 'memory') },
  mosquitto: { says: 'Mosquitto as Debian ships it, nothing on disk', missing: mosquittoMissing, start: startMosquitto },
} as const satisfies Record<string, Kind>

export type ServerName = keyof typeof servers

export function isServerName(text: string): text is ServerName {
  return Object.hasOwn(servers, text)
}

export function missing(name: ServerName): string | undefined {
  const kind: Kind = servers[name]
  return kind.missing?.()
}

/** Server and load get a core each, so that they do not take time from one another. */
export function pinnedTo(core: 0 | 1): readonly string[] {
  return canPin ? ['taskset', '-c', String(core)] : []
}

/** Starts one; `stop` ends it and removes its folder. */
export async function startServer(name: ServerName): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), `mooring-bench-${name}-`))
  try {
    const server = await servers[name].start(folder)
    const onExit = () => {
      try {
        process.kill(server.pid, 'SIGKILL')
      } catch {} // it has ended by itself
      rmSync(folder, { recursive: true, force: true })
    }
    process.once('exit', onExit) // an interrupted bench leaves nothing behind
    return {
      ...server,
      stop: async () => {
        await server.stop()
        process.off('exit', onExit)
        rmSync(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

const canPin = availableParallelism() >= 2 && isOnPath('taskset')
const mosquittoPaths = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/usr/bin/mosquitto']
const stopWithinMs = 10_000

async function startFloor(): Promise<Server> {
  const [command, ...words] = [...pinnedTo(0), process.execPath, fileURLToPath(new URL('./floor.ts', import.meta.url))]
  const child = spawn(command!, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`The floor ended with ${code}.`)))
    child.stdout.setEncoding('utf8').once('data', resolve)
  })
  const { port } = JSON.parse(line) as { port: number }
  return { pid: child.pid!, mqttPort: port, webSocketPort: undefined, stop: () => end(child) }
}

async function startHub(folder: string, durability: string): Promise<Server> {
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const settings = [...ports, '--data', folder, '--durability', durability, '--log-level', 'warn']
  const hub = await startHubProcess(settings, { wrapper: pinnedTo(0) })
  const stop = async () => void (await hub.stop())
  return { pid: hub.pid, mqttPort: hub.mqtt, webSocketPort: hub.http, stop }
}

/** As it is measured everywhere else: no limit on what is under way, so that it drops nothing; nothing on disk. */
async function startMosquitto(folder: string): Promise<Server> {
  const [mqttPort, webSocketPort] = await Promise.all([freePort(), freePort()])
  const lines = [
    `listener ${mqttPort} 127.0.0.1`,
    'protocol mqtt',
    `listener ${webSocketPort} 127.0.0.1`,
    'protocol websockets',
    'allow_anonymous true',
    'log_type error',
    'set_tcp_nodelay true',
    'max_queued_messages 0',
    'max_inflight_messages 0',
    'persistence false',
  ]
  const file = join(folder, 'mosquitto.conf')
  writeFileSync(file, `${lines.join('\n')}\n`)
  const [command, ...words] = [...pinnedTo(0), mosquittoPath()!, '-c', file]
  const child = spawn(command!, words, { stdio: ['ignore', 'ignore', 'inherit'] })
  const died = new Promise<never>((_, reject) => child.once('exit', (code) => reject(new Error(`mosquitto ended with ${code}.`))))
  await Promise.race([answering(mqttPort), died])
  died.catch(() => {}) // later its end is expected
  return { pid: child.pid!, mqttPort, webSocketPort, stop: () => end(child) }
}

function mosquittoMissing(): string | undefined {
  return mosquittoPath() ? undefined : 'mosquitto is not installed (apt install mosquitto)'
}

function mosquittoPath(): string | undefined {
  return mosquittoPaths.find((path) => existsSync(path))
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const impatient = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
  await exited
  clearTimeout(impatient)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function answering(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (answers) return
    await sleep(50)
  }
  throw new Error(`Nothing answers on port ${port}.`)
}

function isOnPath(command: string): boolean {
  try {
    execFileSync('which', [command], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
