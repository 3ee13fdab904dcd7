// The live socket: says what this page watches, hands on what the hub sends, comes back by itself when it is lost.
import type { CommandState } from '../../devices/commands.ts'
import type { MetricValue } from '../../devices/device.ts'
import type { Presence } from '../../devices/presence.ts'
import type { Durability, Figures } from './api.ts'
import { words } from './words.ts'

export interface Welcome {
  readonly is: 'welcome'
  readonly hub: { readonly version: string; readonly durability: Durability; readonly startedAt: number }
  readonly now: number
}

/** Columns of equal length: the newest value of each watched device and metric since the last frame. */
export interface Changes {
  readonly devices: readonly string[]
  readonly metrics: readonly string[]
  readonly times: readonly number[]
  readonly values: readonly MetricValue[]
}

export interface DeviceNews {
  readonly id: string
  readonly connected: boolean
  readonly presence: Presence
  readonly createdAt?: number
}

/** A command, and the newest step of its life. */
export interface CommandNews {
  readonly id: string
  readonly device: string
  readonly name: string
  readonly bulk?: string
  readonly state: CommandState
  readonly at: number
  readonly reason?: string
  readonly result?: unknown
}

export interface Frame {
  readonly is: 'frame'
  readonly at: number
  readonly changes?: Changes
  /** Devices that were created (`createdAt` says when) or that came or went. */
  readonly devices?: readonly DeviceNews[]
  /** Of watched devices, or of all where all are asked for. */
  readonly commands?: readonly CommandNews[]
  readonly figures?: Figures
}

type FromHub = Welcome | Frame | { readonly is: 'resync' }

export type LiveState =
  | { readonly is: 'connecting' }
  | { readonly is: 'live' }
  /** `reason` is the hub's sentence, empty when the wire simply broke. */
  | { readonly is: 'lost'; readonly sinceMs: number; readonly reason: string }

export interface Listener {
  onState(state: LiveState): void
  onWelcome(welcome: Welcome): void
  onFrame(frame: Frame): void
  /** Frames were missed: everything shown has to be read again. */
  onResync(): void
}

/** Figures come once a second; a hub that is silent for longer is gone, even if the socket still looks open. */
const silenceMs = 5_000
const backoffMinMs = 500
const backoffMaxMs = 8_000
const watchedMax = 500

/** Grows with the attempts and differs between pages, so that they do not all knock at once after a restart. */
export function backoffMs(attempt: number, random: number): number {
  const ceilingMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** (attempt + 1))
  return backoffMinMs + random * (ceilingMs - backoffMinMs)
}

export class Live {
  readonly #listener: Listener
  #state: LiveState = { is: 'connecting' }
  #socket: WebSocket | null = null
  #watched: readonly string[] = []
  #hearsCommands = false
  #heardMs = 0
  #attempt = 0
  #retryTimer = 0
  #isStopped = false

  constructor(listener: Listener) {
    this.#listener = listener
  }

  start(): void {
    this.#connect()
    setInterval(() => this.#checkSilence(), 1_000)
    document.addEventListener('visibilitychange', () => this.#onVisibility())
    addEventListener('online', () => this.#connectNow())
  }

  /** Nobody is logged in any more: the hub would refuse each attempt. */
  stop(): void {
    this.#isStopped = true
    this.#drop()
  }

  /** Replaces what is watched; the hub sends values of nothing else. */
  watch(deviceIds: readonly string[]): void {
    this.#watched = deviceIds.slice(0, watchedMax)
    this.#sendWatch()
  }

  /** Whether commands of every device are told, watched or not. */
  hearCommands(every: boolean): void {
    this.#hearsCommands = every
    this.#sendWatch()
  }

  #connect(): void {
    if (this.#isStopped) return
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`, 'mooring.live')
    this.#socket = socket
    this.#heardMs = Date.now()
    socket.onmessage = (event: MessageEvent<string>) => this.#onMessage(JSON.parse(event.data) as FromHub)
    socket.onclose = (event) => this.#onLost(event.reason)
  }

  #onMessage(message: FromHub): void {
    this.#heardMs = Date.now()
    switch (message.is) {
      case 'welcome':
        this.#attempt = 0
        this.#become({ is: 'live' })
        this.#sendWatch()
        this.#listener.onWelcome(message)
        break
      case 'frame':
        this.#listener.onFrame(message)
        break
      case 'resync':
        this.#listener.onResync()
        break
      default:
        message satisfies never // a newer hub may say more than this page knows
    }
  }

  #onLost(reason: string): void {
    this.#drop()
    // The moment of the first loss stays: the page says how old its values are, not how often it tried.
    const sinceMs = this.#state.is === 'lost' ? this.#state.sinceMs : Date.now()
    const kept = this.#state.is === 'lost' && reason === '' ? this.#state.reason : reason
    this.#become({ is: 'lost', sinceMs, reason: kept })
    this.#retryTimer = window.setTimeout(() => this.#connect(), backoffMs(this.#attempt, Math.random()))
    this.#attempt += 1
  }

  #checkSilence(): void {
    if (this.#socket === null || document.hidden || Date.now() - this.#heardMs < silenceMs) return
    this.#onLost(words.live.silent(silenceMs / 1000))
  }

  /** A peer that is frozen never answers a close, so nothing more is heard from the old socket. */
  #drop(): void {
    clearTimeout(this.#retryTimer)
    if (this.#socket === null) return
    this.#socket.onmessage = null
    this.#socket.onclose = null
    this.#socket.close()
    this.#socket = null
  }

  #connectNow(): void {
    if (this.#state.is !== 'lost' || this.#socket !== null) return
    clearTimeout(this.#retryTimer)
    this.#connect()
  }

  /** A hidden page asks for nothing; shown again, it does not want what it missed, only what is. */
  #onVisibility(): void {
    this.#sendWatch()
    if (document.hidden) return
    this.#heardMs = Date.now() // a sleeping tab heard nothing, and that was not the hub's fault
    if (this.#state.is === 'live') this.#listener.onResync()
    else this.#connectNow()
  }

  #sendWatch(): void {
    if (this.#state.is !== 'live' || this.#socket?.readyState !== WebSocket.OPEN) return
    const devices = document.hidden ? [] : this.#watched
    const commands = this.#hearsCommands && !document.hidden ? 'all' : undefined
    this.#socket.send(JSON.stringify({ is: 'watch', devices, commands }))
  }

  #become(next: LiveState): void {
    this.#state = next
    this.#listener.onState(next)
  }
}
