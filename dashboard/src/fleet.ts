// The devices this page knows: read in pages from the hub, then kept by the live socket. One signal per value, so that a
// reading that comes in writes one text node and renders nothing.
import { batch, type Signal, signal } from '@preact/signals'
import type { Latest, MetricValue, Tags } from '../../devices/device.ts'
import type { Presence } from '../../devices/presence.ts'
import { type ListedDevice, loadDevice, loadDevices } from './api.ts'
import type { Frame } from './live.ts'

export interface Entry {
  readonly id: string
  readonly createdAt: number
  readonly name: Signal<string>
  readonly type: Signal<string | null>
  readonly tags: Signal<Tags>
  readonly connected: Signal<boolean>
  readonly presence: Signal<Presence>
  readonly lastSeenAt: Signal<number | null>
  readonly latest: Map<string, Signal<Latest>>
  /** Names of `latest` in order; a new value only when a metric is new. */
  readonly metrics: Signal<readonly string[]>
  /** The metrics a row shows. They stay put: two that alternate would make the row unreadable. */
  readonly shown: Signal<readonly string[]>
  /** The frame that last said something of this device: an answer asked for before it is older. */
  heardInFrame: number
}

const noTags: Tags = {}
const pageDevices = 1_000
/** More are not held by a page; the filter then asks the hub. */
const heldMax = 20_000
const shownMax = 2
/** A shown metric gives way to another only when it has been silent for so much longer. */
const silentMs = 60_000
const askedAtOnce = 6

export class Fleet {
  /** In order of id. */
  readonly list = signal<readonly Entry[]>([])
  /** Counts up whenever the list, a name or a state changed: what a filter or an order depends on. */
  readonly version = signal(0)
  /** Counts up whenever a type or a tag changed, or a device came or left. */
  readonly described = signal(0)
  /** Devices on record at the hub, null before the first answer. */
  readonly total = signal<number | null>(null)
  readonly connected = signal(0)
  /** False while the hub has devices that are not held here. */
  readonly whole = signal(false)
  readonly #entries = new Map<string, Entry>()
  #frames = 0
  #grown = false

  find(deviceId: string): Entry | undefined {
    return this.#entries.get(deviceId)
  }

  /** Reads all devices, page by page; each page is shown as it comes. */
  async load(signal: AbortSignal): Promise<void> {
    const frame = this.#frames
    const seen = new Set<string>()
    let after: string | null | undefined
    let total = 0
    while (after !== null && seen.size < heldMax) {
      const page = await loadDevices({ limit: pageDevices, ...(after === undefined ? {} : { after }) }, signal)
      for (const device of page.devices) seen.add(device.id)
      after = page.next
      total = page.total
      batch(() => {
        this.total.value = total
        this.#takeAll(page.devices, frame)
      })
    }
    batch(() => {
      this.whole.value = after === null
      if (after === null) this.#forgetAllBut(seen, frame)
      this.total.value = total
      this.#publish(true)
    })
  }

  /** Adds what the hub finds; only needed while the fleet is not whole. */
  async search(text: string, signal: AbortSignal): Promise<void> {
    const frame = this.#frames
    const page = await loadDevices({ limit: pageDevices, search: text }, signal)
    batch(() => this.#takeAll(page.devices, frame))
  }

  /** Reads some devices again: rows that scroll into view were not watched until now. */
  async refresh(deviceIds: readonly string[]): Promise<void> {
    const frame = this.#frames
    const list = this.list.peek()
    const wanted = deviceIds.toSorted((a, b) => (a < b ? -1 : 1))
    const first = list.findIndex((entry) => entry.id === wanted[0])
    const span = list.findIndex((entry) => entry.id === wanted.at(-1)) - first + 1
    // Neighbours are one page of the list; with a filter they may lie far apart, then each is asked for.
    if (this.whole.peek() && first >= 0 && span <= Math.max(pageDevices / 10, deviceIds.length)) {
      const before = list[first - 1]
      const page = await loadDevices({ limit: span, ...(before === undefined ? {} : { after: before.id }) })
      batch(() => this.#takeAll(page.devices, frame))
      return
    }
    for (let i = 0; i < wanted.length; i += askedAtOnce) {
      const found = await Promise.all(wanted.slice(i, i + askedAtOnce).map((id) => loadDevice(id).catch(() => null)))
      const devices = found.filter((device) => device !== null)
      batch(() => this.#takeAll(devices, frame))
    }
  }

  /** One device from an answer that was asked for now. */
  take(device: ListedDevice): Entry {
    batch(() => this.#takeAll([device], this.#frames))
    return this.#entries.get(device.id)!
  }

  /** They are deleted at the hub. */
  forget(deviceIds: Iterable<string>): void {
    batch(() => {
      for (const id of deviceIds) {
        const entry = this.#entries.get(id)
        if (entry === undefined) continue
        this.#entries.delete(id)
        if (entry.connected.peek()) this.connected.value -= 1
        if (this.total.peek() !== null) this.total.value! -= 1
      }
      this.#publish(true)
    })
  }

  /** Call inside a `batch`. */
  onFrame(frame: Frame): void {
    this.#frames += 1
    for (const said of frame.devices ?? []) {
      let entry = this.#entries.get(said.id)
      if (entry === undefined) {
        // One that is not new is on a page of the list that has not come yet, or is the part of a large fleet that stays with the hub.
        if (said.createdAt === undefined || this.#entries.size >= heldMax) continue
        entry = this.#add(said.id, said.createdAt)
      }
      entry.heardInFrame = this.#frames
      this.#setState(entry, entry.name.peek(), said)
    }
    const { changes } = frame
    for (let i = 0; changes !== undefined && i < changes.devices.length; i++) {
      const entry = this.#entries.get(changes.devices[i]!)
      if (entry === undefined) continue
      this.#setLatest(entry, changes.metrics[i]!, changes.times[i]!, changes.values[i]!)
      entry.lastSeenAt.value = Math.max(entry.lastSeenAt.peek() ?? 0, frame.at)
    }
    this.#publish(false)
  }

  #takeAll(devices: readonly ListedDevice[], frame: number): void {
    for (const device of devices) {
      const entry = this.#entries.get(device.id) ?? this.#add(device.id, device.createdAt)
      if (entry.heardInFrame <= frame) this.#setState(entry, device.name, device)
      this.#describe(entry, device)
      if ((device.lastSeenAt ?? 0) > (entry.lastSeenAt.peek() ?? 0)) entry.lastSeenAt.value = device.lastSeenAt
      const isFirst = entry.latest.size === 0
      for (const [metric, { at, value }] of Object.entries(device.latest)) this.#setLatest(entry, metric, at, value)
      if (isFirst) entry.shown.value = newestMetrics(device.latest)
    }
    this.#publish(false)
  }

  #add(id: string, createdAt: number): Entry {
    const entry: Entry = {
      id,
      createdAt,
      name: signal(id),
      type: signal<string | null>(null),
      tags: signal<Tags>(noTags),
      connected: signal(false),
      presence: signal<Presence>({ at: 'offline', since: null }),
      lastSeenAt: signal<number | null>(null),
      latest: new Map(),
      metrics: signal<readonly string[]>([]),
      shown: signal<readonly string[]>([]),
      heardInFrame: 0,
    }
    this.#entries.set(id, entry)
    this.#grown = true
    return entry
  }

  #setState(entry: Entry, name: string, { connected, presence }: Pick<ListedDevice, 'connected' | 'presence'>): void {
    const before = entry.presence.peek()
    if (before.since !== presence.since || before.at !== presence.at) {
      entry.presence.value = presence
      this.version.value += 1
    }
    if (entry.name.peek() === name && entry.connected.peek() === connected) return
    if (entry.connected.peek() !== connected) this.connected.value += connected ? 1 : -1
    entry.name.value = name
    entry.connected.value = connected
    this.version.value += 1
  }

  #describe(entry: Entry, { name, type, tags }: ListedDevice): void {
    const isNew = entry.type.peek() !== type || !sameTags(entry.tags.peek(), tags)
    if (!isNew && entry.name.peek() === name) return
    entry.name.value = name
    entry.type.value = type
    entry.tags.value = tags
    this.version.value += 1
    this.described.value += 1
  }

  #setLatest(entry: Entry, metric: string, at: number, value: MetricValue): void {
    const known = entry.latest.get(metric)
    if (known !== undefined) {
      if (at >= known.peek().at) known.value = { at, value }
    } else {
      entry.latest.set(metric, signal({ at, value }))
      entry.metrics.value = [...entry.latest.keys()].sort()
    }
    show(entry, metric, at)
  }

  #forgetAllBut(seen: ReadonlySet<string>, frame: number): void {
    for (const entry of this.#entries.values()) {
      if (seen.has(entry.id) || entry.heardInFrame > frame) continue
      this.#entries.delete(entry.id)
      if (entry.connected.peek()) this.connected.value -= 1
    }
  }

  #publish(always: boolean): void {
    if (!this.#grown && !always) return
    this.#grown = false
    this.list.value = [...this.#entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    if ((this.total.peek() ?? 0) < this.#entries.size) this.total.value = this.#entries.size
    this.version.value += 1
    this.described.value += 1
  }
}

function sameTags(a: Tags, b: Tags): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

/** Numbers before texts when one message brought them all: they say more in one cell. */
export function newestMetrics(latest: ListedDevice['latest']): string[] {
  const rank = (value: MetricValue) => (typeof value === 'number' ? 0 : typeof value === 'boolean' ? 1 : 2)
  return Object.entries(latest)
    .sort(([a, one], [b, other]) => other.at - one.at || rank(one.value) - rank(other.value) || (a < b ? -1 : 1))
    .slice(0, shownMax)
    .map(([metric]) => metric)
}

function show(entry: Entry, metric: string, at: number): void {
  const shown = entry.shown.peek()
  if (shown.includes(metric)) return
  if (shown.length < shownMax) {
    entry.shown.value = [...shown, metric]
    return
  }
  const timeOf = (name: string) => entry.latest.get(name)?.peek().at ?? 0
  const oldest = shown.reduce((a, b) => (timeOf(b) < timeOf(a) ? b : a))
  if (at - timeOf(oldest) > silentMs) entry.shown.value = shown.map((name) => (name === oldest ? metric : name))
}
