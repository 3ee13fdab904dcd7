// A device is deleted: taken off the record, out of the memory of the router, and out of the store, in one turn, so that no message of it
// falls between two of them.
import type { DeviceId } from '../../devices/device.ts'
import type { Store } from '../store/store.ts'
import type { Devices } from './devices.ts'
import type { Router } from './router.ts'

/**
 * Resolves when nothing is left of it, as `Store.deleteDevice` says; false when there is none. Its connections and sessions are left alone,
 * and its next message makes a new device. Errors: `store-full`, `store-failed`, and then it is there as before but for what was retained,
 * which is back with the next start.
 */
export async function removeDevice(
  id: DeviceId,
  devices: Devices,
  router: Router,
  store: Pick<Store, 'journal' | 'deleteDevice'>,
): Promise<boolean> {
  // Its record comes first: a batch that failed hands it to the next one, which would bring it back.
  while (devices.isUnconfirmed(id)) await onDisk(store)
  const type = devices.typeOf(id)
  const number = devices.remove(id)
  if (number === undefined) return false
  const broken = devices.gateways.remove(id)
  router.forgetDevice(id)
  try {
    return await store.deleteDevice(id)
  } catch (error) {
    devices.putBack(id, number, type)
    devices.gateways.putBack(broken)
    throw error
  }
}

function onDisk({ journal }: Pick<Store, 'journal'>): Promise<void> {
  return new Promise((resolve, reject) => journal.after({ stored: () => resolve(), failed: (_, why) => reject(why) }, 0))
}
