// Devices that may not come in, whatever they present.
import type { DeviceId } from '../../devices/device.ts'
import type { Clock } from '../clock.ts'
import type { AccessStore } from '../store/access.ts'
import type { Actor } from './credentials.ts'

const kind = 'disabled'

export class DisabledDevices {
  readonly #store: AccessStore
  readonly #clock: Clock
  readonly #onChanged: (device: DeviceId) => void
  readonly #devices: Set<DeviceId>

  /** `onChanged`: told when a device is disabled, and when it is enabled. */
  constructor(store: AccessStore, clock: Clock, onChanged: (device: DeviceId) => void) {
    this.#store = store
    this.#clock = clock
    this.#onChanged = onChanged
    this.#devices = new Set(store.atStart.filter((record) => record.kind === kind).map(({ id }) => id))
  }

  has(device: DeviceId): boolean {
    return this.#devices.has(device)
  }

  /** It is closed at once, whether the disk takes it or not. */
  async disable(device: DeviceId, by: Actor): Promise<void> {
    this.#devices.add(device)
    this.#onChanged(device)
    await this.#write(device, '{}', 'device.disable', by)
  }

  async enable(device: DeviceId, by: Actor): Promise<void> {
    await this.#write(device, null, 'device.enable', by)
    this.#devices.delete(device)
    this.#onChanged(device)
  }

  #write(device: DeviceId, body: string | null, action: string, { who, from }: Actor): Promise<void> {
    const entry = { at: this.#clock.now(), who, from, action, target: `device/${device}`, outcome: 'done', detail: '' } as const
    return this.#store.write([{ kind, id: device, body }], [entry])
  }
}
