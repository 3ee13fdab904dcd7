// The servers that are compared. Each run gets a fresh one, on free ports, with an empty folder, on core 0 when there are two.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startHubProcess } from '../hub-process.ts'
import { makeCertificate } from './certificate.ts'

/** What a load asks of a server: the protocol, and what carries it. `socket` is text over WebSocket. */
export type Door = 'mqtt' | 'mqtts' | 'mqtt-websocket' | 'socket' | 'http'

export interface Server {
  readonly pid: number
  /** Of the door it was started for. */
  readonly port: number
  /** Where MQTT is spoken beside it; undefined where it is not. */
  readonly mqttPort?: number
  /** Of `socket`: whether it knows the JSON protocol, or just passes messages on. */
  readonly speaks: 'mooring.json' | 'plain'
  /** Of `mqtts`: file of the certificate that has signed its own. */
  readonly ca?: string
  stop(): Promise<void>
}

interface Kind {
  readonly says: string
  readonly doors: readonly Door[]
  /** Why it cannot run here; undefined when it can. */
  missing?(door: Door): string | undefined
  start(folder: string, door: Door): Promise<Server>
}

const allDoors: readonly Door[] = ['mqtt', 'mqtts', 'mqtt-websocket', 'socket', 'http']

export const servers = {
  floor: {
    says: 'the least on the same Node: a bare net or tls server, bare ws, bare node:http',
    doors: ['mqtt', 'mqtts', 'socket', 'http'],
    missing: opensslMissing,
    start: startFloor,
  },
  hub: {
    says: 'Mooring, every message on disk before its PUBACK',
    doors: allDoors,
    start: (folder, door) => startHub(folder, door, 'fsync'),
  },
  'hub-batched': {
    says: 'Mooring, survives its own crash, not a power cut',
    doors: allDoors,
    start: (folder, door) => startHub(folder, door, 'batched'),
  },
  'hub-memory': {
    says: 'Mooring, answers before anything is on disk',
    doors: allDoors,
    start: (folder, door) => startHub(folder, door, 'memory'),
  },
  mosquitto: {
    says: 'Mosquitto as Debian ships it, nothing on disk',
    doors: ['mqtt', 'mqtts', 'mqtt-websocket'],
    missing: (door) => mosquittoMissing() ?? opensslMissing(door),
    start: startMosquitto,
  },
  tornado: {
    says: 'Tornado as Debian ships it: plain WebSockets in Python',
    doors: ['socket'],
    missing: tornadoMissing,
    start: startTornado,
  },
} as const satisfies Record<string, Kind>

export type ServerName = keyof typeof servers

export function isServerName(text: string): text is ServerName {
  return Object.hasOwn(servers, text)
}

/** Why this server cannot run here. */
export function missing(name: ServerName, door: Door): string | undefined {
  const kind: Kind = servers[name]
  return kind.missing?.(door)
}

export function hasDoor(name: ServerName, door: Door): boolean {
  const { doors }: Kind = servers[name]
  return doors.includes(door)
}

/** Server and load get a core each, so that they do not take time from one another. */
export function pinnedTo(core: 0 | 1): readonly string[] {
  return canPin ? ['taskset', '-c', String(core)] : []
}

/** Starts one; `stop` ends it and removes its folder. */
export async function startServer(name: ServerName, door: Door): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), `mooring-bench-${name}-`))
  try {
    const server = await servers[name].start(folder, door)
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

const floorPrograms: Readonly<Partial<Record<Door, string>>> = {
  mqtt: './floor.ts',
  mqtts: './floor.ts',
  socket: './ws-floor.ts',
  http: './http-floor.ts',
}

async function startFloor(folder: string, door: Door): Promise<Server> {
  const program = floorPrograms[door]
  if (program === undefined) throw new Error(`There is no floor for ${door}.`)
  const certificate = door === 'mqtts' ? makeCertificate(folder) : undefined
  const path = fileURLToPath(new URL(program, import.meta.url))
  const words = certificate === undefined ? [] : [certificate.cert, certificate.key]
  const server = await startPrinting([process.execPath, path, ...words])
  return certificate === undefined ? server : { ...server, ca: certificate.cert }
}

async function startTornado(): Promise<Server> {
  return startPrinting([pythonWithTornado()!, fileURLToPath(new URL('./tornado_server.py', import.meta.url))])
}

/** A server that prints `{"port":N}` once it listens. */
async function startPrinting(program: readonly string[]): Promise<Server> {
  const [command, ...words] = [...pinnedTo(0), ...program]
  const child = spawn(command!, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${program.join(' ')} ended with ${code}.`)))
    child.stdout.setEncoding('utf8').once('data', resolve)
  })
  const { port } = JSON.parse(line) as { port: number }
  return { pid: child.pid!, port, speaks: 'plain', stop: () => end(child) }
}

async function startHub(folder: string, door: Door, durability: string): Promise<Server> {
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', door === 'mqtts' ? '0' : 'off', '--https-port', 'off']
  const settings = [...ports, '--data', folder, '--durability', durability, '--log-level', 'warn']
  const hub = await startHubProcess(settings, { wrapper: pinnedTo(0) })
  const stop = async () => void (await hub.stop())
  const server = { pid: hub.pid, mqttPort: hub.mqtt, speaks: 'mooring.json', stop } as const
  if (door !== 'mqtts') return { ...server, port: door === 'mqtt' ? hub.mqtt : hub.http }
  if (hub.mqtts === undefined) throw new Error('The hub has no port for MQTT over TLS.')
  return { ...server, port: hub.mqtts, ca: join(folder, 'tls', 'ca.crt') } // it makes its own CA when it is given no certificate
}

/** As it is measured everywhere else: no limit on what is under way, so that it drops nothing; nothing on disk. */
async function startMosquitto(folder: string, door: Door): Promise<Server> {
  const port = await freePort()
  const certificate = door === 'mqtts' ? makeCertificate(folder) : undefined
  if (certificate !== undefined) {
    // Started by root it becomes another user before it reads its key, which lives as long as this run.
    chmodSync(folder, 0o755)
    chmodSync(certificate.key, 0o644)
  }
  const lines = [
    `listener ${port} 127.0.0.1`,
    `protocol ${door === 'mqtt-websocket' ? 'websockets' : 'mqtt'}`,
    ...(certificate === undefined ? [] : [`certfile ${certificate.cert}`, `keyfile ${certificate.key}`]),
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
  await Promise.race([answering(port), died])
  died.catch(() => {}) // later its end is expected
  const server = { pid: child.pid!, port, speaks: 'plain', stop: () => end(child) } as const
  return certificate === undefined ? server : { ...server, ca: certificate.cert }
}

function opensslMissing(door: Door): string | undefined {
  return door !== 'mqtts' || isOnPath('openssl')
    ? undefined
    : 'openssl, which makes its certificate, is not installed (apt install openssl)'
}

function tornadoMissing(): string | undefined {
  return pythonWithTornado() ? undefined : 'Tornado is not installed (apt install python3-tornado)'
}

let pythonFound: string | null | undefined

/** Debian's package is seen by its own Python, which need not be the first on the path. */
function pythonWithTornado(): string | undefined {
  pythonFound ??= ['python3', '/usr/bin/python3'].find((python) => succeeds(python, ['-c', 'import tornado'])) ?? null
  return pythonFound ?? undefined
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
  return succeeds('which', [command])
}

function succeeds(command: string, words: readonly string[]): boolean {
  try {
    execFileSync(command, words, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
