// Which devices are connected now, told to the viewers as it changes. A device is connected while its session is: client identifier = device id.
import type { DeviceId } from '../../devices/device.ts'
import type { Feed } from './feed.ts'

export class Presence {
  readonly #feed: Feed
  readonly #isDevice: (clientId: string) => boolean
  readonly #isOnline: (clientId: string) => boolean
  readonly #connected = new Set<DeviceId>()

  constructor(feed: Feed, isDevice: (clientId: string) => boolean, isOnline: (clientId: string) => boolean) {
    this.#feed = feed
    this.#isDevice = isDevice
    this.#isOnline = isOnline
  }

  get connected(): number {
    return this.#connected.size
  }

  onOnline(clientId: string): void {
    if (!this.#isDevice(clientId)) return
    this.#connected.add(clientId)
    this.#feed.onDevice({ id: clientId, connected: true })
  }

  onAway(clientId: string): void {
    if (this.#connected.delete(clientId)) this.#feed.onDevice({ id: clientId, connected: false })
  }

  onCreated(id: DeviceId, createdAt: number): void {
    const connected = this.#isOnline(id)
    if (connected) this.#connected.add(id)
    this.#feed.onDevice({ id, connected, createdAt })
  }
}
