// A dashboard's socket: `watch` comes in, `welcome`, `frame` and `resync` go out. JSON text, subprotocol `mooring.live`.
import { isDeviceId } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Feed, Frame, View, Viewer } from './feed.ts'

export const liveSubprotocol = 'mooring.live'

/** What carries the frames. */
export interface LiveWire {
  /** Bytes handed over that the viewer has not taken. */
  readonly waitingBytes: number
  send(text: string): void
  close(code: number, reason: string): void
}

export interface Welcome {
  readonly hub: { readonly version: string; readonly durability: string; readonly startedAt: number }
  /** The hub's clock, Unix ms, so that a page whose clock is wrong can still place "now". */
  readonly now: number
}

export class LiveConnection implements Viewer {
  readonly #wire: LiveWire
  readonly #feed: Feed
  readonly #view: View
  #owesResync = false

  /** Errors: `too-many-viewers`. */
  constructor(wire: LiveWire, feed: Feed, welcome: Welcome) {
    this.#wire = wire
    this.#feed = feed
    this.#view = feed.open(this)
    wire.send(JSON.stringify({ is: 'welcome', ...welcome }))
  }

  get writable(): boolean {
    return this.#wire.waitingBytes < limits.viewerWriteBytes
  }

  send(frame: Frame): void {
    if (this.#owesResync) {
      this.#owesResync = false
      this.#wire.send('{"is":"resync"}')
    }
    this.#wire.send(JSON.stringify(frame))
  }

  /** Said with the next frame: right now the viewer reads nothing. */
  resync(): void {
    this.#owesResync = true
  }

  onText(text: string): void {
    try {
      const { devices, commands } = wishIn(text)
      this.#feed.watch(this.#view, devices, commands)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#wire.close(error.row.ws, error.message)
    }
  }

  onClosed(): void {
    this.#feed.close(this.#view)
  }
}

/** `commands`: the steps of all commands, whatever their devices. */
function wishIn(text: string): { readonly devices: ReadonlySet<string>; readonly commands: boolean } {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    throw new Refusal('watch-invalid', { detail: 'JSON text such as {"is":"watch","devices":["pump-7"]}' })
  }
  if (typeof message !== 'object' || message === null || !('is' in message) || message.is !== 'watch' || !('devices' in message)) {
    throw new Refusal('watch-invalid', { detail: '{"is":"watch","devices":[…]} and nothing else' })
  }
  const { devices } = message
  if (!Array.isArray(devices) || !devices.every((id) => typeof id === 'string' && isDeviceId(id))) {
    throw new Refusal('watch-invalid', { detail: 'device ids in "devices"' })
  }
  if (devices.length > limits.watchedDevices) {
    throw new Refusal('watch-invalid', { detail: `at most ${limits.watchedDevices} devices (limits.watchedDevices)` })
  }
  return { devices: new Set(devices), commands: 'commands' in message && message.commands === 'all' }
}
