// The figures of the hub, taken once a second: rates are what was counted since the last time.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from '../clock.ts'
import type { Figures, Metrics } from '../metrics.ts'
import type { Devices } from '../routing/devices.ts'
import type { Router } from '../routing/router.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Store } from '../store/store.ts'

export interface FiguresParts {
  readonly store: Store
  readonly router: Router
  readonly devices: Devices
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly clock: Clock
  connections(): number
  connected(): number
  commandsWaiting(): number
}

export class FiguresEverySecond {
  readonly #parts: FiguresParts
  readonly #delay = monitorEventLoopDelay({ resolution: 20 })
  readonly #stopTicking: () => void
  #lastMs: number
  #lastReceived = 0
  #lastSent = 0
  #lastCommits = 0
  #rates = { messagesPerSecond: 0, deliveriesPerSecond: 0, commitsPerSecond: 0, loopDelayMs: 0 }

  constructor(parts: FiguresParts, onFigures: (figures: Figures) => void) {
    this.#parts = parts
    this.#lastMs = parts.clock.monotonic()
    this.#delay.enable()
    this.#stopTicking = parts.clock.every(1000, () => {
      this.#measure()
      onFigures(this.now())
    })
  }

  now(): Figures {
    const { store, router, devices, sessions, connections, connected, commandsWaiting } = this.#parts
    const { lastCommitMs, backlogBytes, points } = store.figures()
    return {
      devices: devices.count,
      connections: connections(),
      connected: connected(),
      sessions: sessions.count,
      subscriptions: router.tree.size,
      retained: router.retained.count,
      dropped: this.#parts.metrics.messagesDropped,
      ...this.#rates,
      commandsWaiting: commandsWaiting(),
      lastCommitMs,
      backlogBytes,
      points,
    }
  }

  stop(): void {
    this.#stopTicking()
    this.#delay.disable()
  }

  #measure(): void {
    const { store, metrics, clock } = this.#parts
    const nowMs = clock.monotonic()
    const seconds = Math.max(0.001, (nowMs - this.#lastMs) / 1000)
    const { commits } = store.figures()
    const perSecond = (now: number, before: number) => Math.round((now - before) / seconds)
    this.#rates = {
      messagesPerSecond: perSecond(metrics.messagesReceived, this.#lastReceived),
      deliveriesPerSecond: perSecond(metrics.messagesSent, this.#lastSent),
      commitsPerSecond: perSecond(commits, this.#lastCommits),
      // The histogram holds how long each 20 ms sleep really took.
      loopDelayMs: Math.max(0, Math.round(this.#delay.max / 1e6 - 20)),
    }
    this.#delay.reset()
    this.#lastMs = nowMs
    this.#lastReceived = metrics.messagesReceived
    this.#lastSent = metrics.messagesSent
    this.#lastCommits = commits
  }
}
