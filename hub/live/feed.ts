// What viewers see: the newest value of each device and metric, at most ten frames a second, never more than a viewer can take.
//
// A viewer never slows anyone down: what it cannot take yet waits here, the newer value in the place of the older one, and past a bound
// it is forgotten and the viewer is told to start over.
import { commandIdOf } from '../../devices/commands.ts'
import type { DeviceId, MetricValue } from '../../devices/device.ts'
import type { Presence } from '../../devices/presence.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Figures, Metrics } from '../metrics.ts'
import type { Command } from '../routing/commands/command.ts'
import type { Changes, Store } from '../store/store.ts'

/** A device that was created (`createdAt` says when), or that came or went. */
export interface DeviceChange {
  readonly id: DeviceId
  readonly connected: boolean
  readonly presence: Presence
  readonly createdAt?: number
}

/** A command, and the newest step of its life. */
export interface CommandChange {
  readonly id: string
  readonly device: DeviceId
  readonly name: string
  readonly bulk: string | undefined
  readonly state: string
  readonly at: number
  readonly reason: string | undefined
  readonly result: unknown
}

/** Of the store's changes, what a page shows. */
export type ChangedValues = Omit<Changes, 'seqs'>

/** One look at what moved. Parts that have nothing to say are left out. Times are Unix ms. */
export interface Frame {
  readonly is: 'frame'
  readonly at: number
  readonly changes?: ChangedValues
  readonly devices?: readonly DeviceChange[]
  readonly commands?: readonly CommandChange[]
  readonly figures?: Figures
}

export interface Viewer {
  /** False while the viewer has not read what it was sent. */
  readonly writable: boolean
  send(frame: Frame): void
  /** It fell behind by more than can be kept: it must fetch everything again. */
  resync(): void
}

interface Pending {
  readonly device: DeviceId
  readonly metric: string
  time: number
  value: MetricValue
}

/** One viewer's place in the feed. */
export class View {
  readonly viewer: Viewer
  watched: ReadonlySet<DeviceId> | 'all' = new Set()
  readonly changes = new Map<string, Pending>()
  readonly devices = new Map<DeviceId, DeviceChange>()
  /** Their newest steps, by id. */
  readonly commands = new Map<string, CommandChange>()
  figures: Figures | undefined = undefined
  lastFrameMs = Number.NEGATIVE_INFINITY

  constructor(viewer: Viewer) {
    this.viewer = viewer
  }

  get hasNews(): boolean {
    return this.changes.size > 0 || this.devices.size > 0 || this.commands.size > 0 || this.figures !== undefined
  }
}

export class Feed {
  readonly #store: Store
  readonly #clock: Clock
  readonly #metrics: Metrics
  readonly #views = new Set<View>()
  /** Who watches a device by name, so that a change looks up its viewers and not the other way round. */
  readonly #watchers = new Map<DeviceId, Set<View>>()
  readonly #watchersOfAll = new Set<View>()
  /** They hear of the commands of all devices, watched or not. */
  readonly #hearersOfCommands = new Set<View>()
  #stopTicking: (() => void) | undefined = undefined
  /** There while a view waits for its next frame to be due. */
  #stopWaiting: (() => void) | undefined = undefined

  constructor(store: Store, clock: Clock, metrics: Metrics) {
    this.#store = store
    this.#clock = clock
    this.#metrics = metrics
    store.onChanges((changes) => this.#onChanges(changes))
  }

  get viewers(): number {
    return this.#views.size
  }

  /** Errors: `too-many-viewers`. */
  open(viewer: Viewer): View {
    if (this.#views.size >= limits.viewers) throw new Refusal('too-many-viewers', { limit: limits.viewers })
    const view = new View(viewer)
    this.#views.add(view)
    this.#stopTicking ??= this.#clock.every(limits.frameEveryMs, () => this.#tick())
    return view
  }

  close(view: View): void {
    if (!this.#views.delete(view)) return
    this.#unwatch(view)
    this.#tellStore()
    if (this.#views.size > 0) return
    this.#stopTicking?.()
    this.#stopTicking = undefined
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
  }

  /** Replaces what the viewer watches. */
  watch(view: View, watched: ReadonlySet<DeviceId> | 'all', allCommands = false): void {
    this.#unwatch(view)
    if (allCommands) this.#hearersOfCommands.add(view)
    view.watched = watched
    view.changes.clear()
    view.commands.clear()
    if (watched === 'all') this.#watchersOfAll.add(view)
    else {
      for (const id of watched) {
        const watchers = this.#watchers.get(id)
        if (watchers === undefined) this.#watchers.set(id, new Set([view]))
        else watchers.add(view)
      }
    }
    this.#tellStore()
  }

  onPresence(id: DeviceId, presence: Presence, createdAt?: number): void {
    const connected = presence.at === 'online'
    this.#onDevice({ id, connected, presence, ...(createdAt === undefined ? {} : { createdAt }) })
  }

  #onDevice(change: DeviceChange): void {
    for (const view of this.#views) {
      const before = view.devices.get(change.id)
      view.devices.set(change.id, before === undefined ? change : { ...before, ...change })
      this.#bound(view)
      this.#offer(view)
    }
  }

  /** To those who watch its device, or all commands. */
  onCommand(command: Command): void {
    if (this.#views.size === 0) return
    const watchers = new Set([...this.#watchersOfAll, ...this.#hearersOfCommands, ...(this.#watchers.get(command.device) ?? [])])
    if (watchers.size === 0) return
    const change = commandChange(command)
    for (const view of watchers) {
      view.commands.set(change.id, change)
      this.#bound(view)
      this.#offer(view)
    }
  }

  onFigures(figures: Figures): void {
    for (const view of this.#views) {
      view.figures = figures
      this.#offer(view)
    }
  }

  #onChanges(changes: Changes): void {
    const touched = new Set<View>()
    for (let at = 0; at < changes.devices.length; at++) {
      const device = changes.devices[at] as DeviceId
      for (const view of this.#watchersOfAll) touched.add(keep(view, device, changes, at))
      for (const view of this.#watchers.get(device) ?? []) touched.add(keep(view, device, changes, at))
    }
    for (const view of touched) {
      this.#bound(view)
      this.#offer(view)
    }
  }

  #tick(): void {
    for (const view of this.#views) this.#offer(view)
  }

  #tickIn(ms: number): void {
    this.#stopWaiting ??= this.#clock.every(ms, () => {
      this.#stopWaiting?.()
      this.#stopWaiting = undefined
      this.#tick()
    })
  }

  /** Sends a frame when one is due and the viewer can take it; else as soon as it is, or the viewer has read more at a tick. */
  #offer(view: View): void {
    const nowMs = this.#clock.monotonic()
    if (!view.hasNews || !view.viewer.writable) return
    const waitMs = view.lastFrameMs + limits.frameEveryMs - nowMs
    if (waitMs > 0) {
      this.#tickIn(Math.ceil(waitMs))
      return
    }
    view.lastFrameMs = nowMs
    const frame: { -readonly [K in keyof Frame]: Frame[K] } = { is: 'frame', at: this.#clock.now() }
    if (view.changes.size > 0) frame.changes = takeChanges(view.changes)
    if (view.devices.size > 0) frame.devices = takeSome(view.devices)
    if (view.commands.size > 0) frame.commands = takeSome(view.commands)
    if (view.figures !== undefined) frame.figures = view.figures
    view.figures = undefined
    view.viewer.send(frame)
  }

  #bound(view: View): void {
    if (view.changes.size + view.devices.size + view.commands.size <= limits.viewerPending) return
    view.changes.clear()
    view.devices.clear()
    view.commands.clear()
    this.#metrics.viewerResyncs++
    view.viewer.resync()
  }

  #unwatch(view: View): void {
    this.#watchersOfAll.delete(view)
    this.#hearersOfCommands.delete(view)
    if (view.watched === 'all') return
    for (const id of view.watched) {
      const watchers = this.#watchers.get(id)
      watchers?.delete(view)
      if (watchers?.size === 0) this.#watchers.delete(id)
    }
  }

  #tellStore(): void {
    if (this.#watchersOfAll.size > 0) this.#store.watch({ all: true })
    else this.#store.watch({ devices: [...this.#watchers.keys()] })
  }
}

function keep(view: View, device: DeviceId, changes: Changes, at: number): View {
  const metric = changes.metrics[at] as string
  const key = `${device}/${metric}` // a device id has no slash
  const time = changes.times[at] as number
  const value = changes.values[at] as MetricValue
  const pending = view.changes.get(key)
  if (pending === undefined) view.changes.set(key, { device, metric, time, value })
  else {
    pending.time = time
    pending.value = value
  }
  return view
}

function commandChange({ id, device, name, bulk, result, step: [state, at, reason] }: Command): CommandChange {
  const bulkId = bulk === undefined ? undefined : commandIdOf(bulk.number)
  return { id, device, name, bulk: bulkId, state, at, reason, result: result === undefined ? undefined : JSON.parse(result) }
}

/** Up to one frame's worth, the longest waiting first; the rest stays. */
function takeSome<T>(waiting: Map<string, T>): T[] {
  const taken: T[] = []
  for (const [key, one] of waiting) {
    if (taken.length === limits.frameChanges) break
    taken.push(one)
    waiting.delete(key)
  }
  return taken
}

/** The same in columns. */
function takeChanges(waiting: Map<string, Pending>): ChangedValues {
  const devices: DeviceId[] = []
  const metrics: string[] = []
  const times: number[] = []
  const values: MetricValue[] = []
  for (const [key, { device, metric, time, value }] of waiting) {
    if (devices.length === limits.frameChanges) break
    devices.push(device)
    metrics.push(metric)
    times.push(time)
    values.push(value)
    waiting.delete(key)
  }
  return { devices, metrics, times, values }
}
