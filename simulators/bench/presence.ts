// `npm run bench -- presence`: how soon a dashboard sees a device come and go, and what it takes when all of them are lost at once.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Histogram } from '../histogram.ts'
import { type HubProcess, startHubProcess } from '../hub-process.ts'
import { RawConnection } from './connection.ts'
import { readCounts } from './counts.ts'
import type { IdleOptions } from './idle.ts'
import { startLoad } from './load-process.ts'
import { mqttOpening } from './opening.ts'
import { readCpu, settled } from './proc.ts'

interface PresenceOptions {
  readonly help: boolean
  readonly devices: number
  readonly changes: number
}

const help = `How soon a dashboard sees devices come and go.

npm run bench -- presence [--devices 10000] [--changes 200]

First one device comes and goes --changes times. Then --devices hold a connection each, from another process, and that process is killed:
the time until the dashboard has seen the last one go, the longest that the hub's loop was late meanwhile, and its CPU.`

const withinMs = 60_000
const setUpAtATime = 32
/** Longer than all of it takes: the holders never end by themselves. */
const holdSeconds = 240

export async function benchPresence(argv: readonly string[]): Promise<void> {
  const flags = { devices: '--devices', changes: '--changes' }
  const { help: isHelp, devices, changes }: PresenceOptions = readCounts(argv, flags, { devices: 10_000, changes: 200 })
  if (isHelp) {
    console.log(help)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'mooring-bench-presence-'))
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const hub = await startHubProcess([...ports, '--data', folder, '--log-level', 'error', '--device-connections', 'off'])
  try {
    await createDevices(hub, devices)
    const page = await Page.open(hub)
    console.log(`seen after: ${await comeAndGo(hub, page, changes)}`)
    console.log(await loseAll(hub, page, devices))
    page.close()
  } finally {
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As the load generator calls those that hold idle connections. */
const nameOf = (index: number) => `bench-${index}`

async function createDevices({ http }: HubProcess, count: number): Promise<void> {
  let next = 0
  const some = async () => {
    for (let at = next++; at < count; at = next++) {
      const answer = await fetch(`http://127.0.0.1:${http}/v1/devices`, { method: 'POST', body: JSON.stringify({ id: nameOf(at) }) })
      if (!answer.ok) throw new Error(await answer.text())
    }
  }
  await Promise.all(Array.from({ length: setUpAtATime }, some))
}

interface Frame {
  readonly is: string
  readonly devices?: readonly { readonly id: string; readonly connected: boolean }[]
  readonly figures?: { readonly loopDelayMs: number }
}

/** A dashboard that is open: who is connected, as far as it knows. */
class Page {
  readonly connected = new Set<string>()
  /** The longest that the hub's loop was late, by its own word, since it was set to 0. */
  loopDelayMs = 0
  readonly #socket: WebSocket
  #waiting: { readonly isSo: () => boolean; readonly resolve: () => void } | undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#onFrame(JSON.parse(data as string) as Frame))
  }

  static async open({ http }: HubProcess): Promise<Page> {
    const socket = new WebSocket(`ws://127.0.0.1:${http}/live`, 'mooring.live')
    await once(socket, 'open')
    return new Page(socket)
  }

  close(): void {
    this.#socket.close()
  }

  /** Errors: an `Error` when it is not so in a minute. */
  async until(isSo: () => boolean, what: string): Promise<void> {
    if (isSo()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${what}: not seen after ${withinMs / 1000} s, with ${this.connected.size} connected.`)),
        withinMs,
      )
      const done = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#waiting = { isSo, resolve: done }
    })
    this.#waiting = undefined
  }

  #onFrame({ is, devices = [], figures }: Frame): void {
    if (is === 'resync') throw new Error('The dashboard was told to start over: it did not keep up.')
    for (const { id, connected } of devices) {
      if (connected) this.connected.add(id)
      else this.connected.delete(id)
    }
    if (figures !== undefined) this.loopDelayMs = Math.max(this.loopDelayMs, figures.loopDelayMs)
    if (this.#waiting?.isSo()) this.#waiting.resolve()
  }

  /** Until the hub has said once more how it goes: what was before is in it. */
  async nextFigures(): Promise<void> {
    let said = 0
    const count = ({ data }: MessageEvent) => {
      if ((JSON.parse(data as string) as Frame).figures !== undefined) said++
    }
    this.#socket.addEventListener('message', count)
    await this.until(() => said >= 2, 'figures of the hub')
    this.#socket.removeEventListener('message', count)
  }
}

async function comeAndGo({ mqtt }: HubProcess, page: Page, changes: number): Promise<string> {
  const took = new Histogram()
  const id = nameOf(0)
  for (let change = 0; change < changes; change += 2) {
    const beganAtMs = performance.now()
    const device = await RawConnection.open(mqttOpening({ port: mqtt, transport: 'tcp' }, id), id)
    await page.until(() => page.connected.has(id), `${id} comes`)
    took.record((performance.now() - beganAtMs) * 1000)
    const goneAtMs = performance.now()
    device.close()
    await page.until(() => !page.connected.has(id), `${id} goes`)
    took.record((performance.now() - goneAtMs) * 1000)
  }
  const [half, most] = [took.percentileMs(0.5), took.percentileMs(0.99)].map((ms) => ms.toFixed(1))
  return `p50 ${half}, p99 ${most}, longest ${took.maxMs.toFixed(1)} ms (${took.count} changes)`
}

async function loseAll(hub: HubProcess, page: Page, devices: number): Promise<string> {
  const options: IdleOptions = { mode: 'idle', wire: 'mqtt', port: hub.mqtt, pid: hub.pid, connections: devices, holdSeconds }
  const holder = startLoad(options).child
  await page.until(() => page.connected.size === devices, `${devices} devices come`)
  await settled(hub.pid)
  await page.nextFigures()
  page.loopDelayMs = 0
  const [cpu, beganAtMs] = [readCpu(hub.pid).seconds, performance.now()]
  holder.kill('SIGKILL')
  await page.until(() => page.connected.size === 0, `${devices} devices go`)
  const seconds = (performance.now() - beganAtMs) / 1000
  await page.nextFigures()
  await settled(hub.pid)
  const spent = readCpu(hub.pid).seconds - cpu
  const late = `loop late by ${page.loopDelayMs.toFixed(1)} ms at most`
  return `${devices} lost at once: the last one seen to go after ${seconds.toFixed(2)} s; ${late}; CPU of the hub ${spent.toFixed(2)} s`
}
