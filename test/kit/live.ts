// The dashboard's side of /live, and a reader of /v1/events, for tests.
import type { TestContext } from 'node:test'
import type { Presence } from '../../devices/presence.ts'
import type { TestHub } from './hub.ts'

const waitMs = 5000

/** What arrives, in order; `next` waits for the first thing that fits and forgets what came before it. */
class Arrivals<T> {
  readonly #arrived: T[] = []
  #waiting: { readonly fits: (one: T) => boolean; readonly resolve: (one: T) => void } | undefined

  add(one: T): void {
    if (this.#waiting?.fits(one)) {
      const { resolve } = this.#waiting
      this.#waiting = undefined
      resolve(one)
    } else this.#arrived.push(one)
  }

  async next(fits: (one: T) => boolean, what: string): Promise<T> {
    const at = this.#arrived.findIndex(fits)
    if (at !== -1) return this.#arrived.splice(0, at + 1)[at] as T
    this.#arrived.length = 0
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what} did not come within ${waitMs} ms`)), waitMs)
      this.#waiting = {
        fits,
        resolve(one) {
          clearTimeout(timer)
          resolve(one)
        },
      }
    })
  }
}

export interface LiveFrame {
  readonly is: 'welcome' | 'frame' | 'resync'
  readonly changes?: { devices: string[]; metrics: string[]; times: number[]; values: unknown[] }
  readonly devices?: { id: string; connected: boolean; createdAt?: number; presence: Presence }[]
  readonly commands?: { id: string; device: string; name: string; state: string; at: number; reason?: string; result?: unknown }[]
  readonly figures?: Record<string, number>
  readonly hub?: { version: string; durability: string; startedAt: number }
}

export class LiveViewer {
  readonly socket: WebSocket
  readonly frames = new Arrivals<LiveFrame>()
  readonly closed: Promise<CloseEvent>
  readonly times: number[] = []

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.addEventListener('message', ({ data }) => {
      const frame = JSON.parse(data as string) as LiveFrame
      if (frame.is === 'frame') this.times.push(performance.now())
      this.frames.add(frame)
    })
    this.closed = new Promise((resolve) => socket.addEventListener('close', resolve))
  }

  /** Besides, every command, whatever its device. */
  hearCommands(...devices: string[]): void {
    this.socket.send(JSON.stringify({ is: 'watch', devices, commands: 'all' }))
  }

  watch(...devices: string[]): void {
    this.socket.send(JSON.stringify({ is: 'watch', devices }))
  }

  /** The value of the next change of this device and metric. */
  async nextValue(device: string, metric: string): Promise<unknown> {
    const index = ({ changes }: LiveFrame) => changes?.devices.findIndex((id, at) => id === device && changes.metrics[at] === metric) ?? -1
    const frame = await this.frames.next((one) => index(one) !== -1, `a change of ${device} ${metric}`)
    return frame.changes?.values[index(frame)]
  }

  async nextDevice(id: string) {
    const frame = await this.frames.next(({ devices }) => devices?.some((one) => one.id === id) ?? false, `news of device ${id}`)
    return frame.devices?.find((one) => one.id === id)
  }
}

export async function openLive(t: TestContext, hub: TestHub): Promise<LiveViewer> {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/live`, 'mooring.live')
  t.after(() => socket.close())
  const viewer = new LiveViewer(socket)
  await viewer.frames.next(({ is }) => is === 'welcome', 'welcome')
  return viewer
}

export interface ServerEvent {
  readonly event: string
  readonly data: unknown
}

/** Reads GET /v1/events until the test is over. */
export async function openEvents(t: TestContext, hub: TestHub, query = ''): Promise<Arrivals<ServerEvent>> {
  const stop = new AbortController()
  t.after(() => stop.abort())
  const response = await fetch(`${hub.url}/v1/events${query}`, { signal: stop.signal })
  if (response.body === null || !response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  const arrivals = new Arrivals<ServerEvent>()
  void read(response.body, arrivals).catch(() => {}) // ends with the test
  return arrivals
}

async function read(body: ReadableStream<Uint8Array>, arrivals: Arrivals<ServerEvent>): Promise<void> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s)),
      )
      if (fields['event'] !== undefined) arrivals.add({ event: fields['event'], data: JSON.parse(fields['data']) })
      text = text.slice(end + 2)
    }
  }
}
