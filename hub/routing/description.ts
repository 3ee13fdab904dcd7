// What is said of devices: on disk first, and then where the loop asks for it.
import type { Device, DeviceChange, DeviceId } from '../../devices/device.ts'
import type { Store } from '../store/store.ts'
import type { Devices } from './devices.ts'

/** Undefined when the device is not on record. Errors: as those of `Store.describe`. */
export async function describeDevice(
  id: DeviceId,
  change: DeviceChange,
  devices: Devices,
  store: Pick<Store, 'describe'>,
): Promise<Device | undefined> {
  const device = await store.describe(id, change)
  if (device !== undefined) devices.described(device)
  return device
}

/** Puts it on record first. Errors: as those of `Devices.numberOf`, too. */
export async function registerDevice(
  id: DeviceId,
  change: DeviceChange,
  devices: Devices,
  store: Pick<Store, 'describe' | 'journal'>,
): Promise<Device | undefined> {
  devices.numberOf(id)
  await new Promise<void>((resolve, reject) => store.journal.after({ stored: () => resolve(), failed: (_, why) => reject(why) }, 0))
  return describeDevice(id, change, devices, store)
}
