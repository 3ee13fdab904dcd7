// Client identifiers and the devices they are for.
import { isDeviceId } from './device.ts'

const deviceIdLengthMax = 128

/** The device id itself, or the device id, a colon and anything: a device may have several connections. */
export function isClientIdOf(device: string, clientId: string): boolean {
  return clientId === device || clientId.startsWith(`${device}:`)
}

/** The device ids that a client identifier may be for, the longest first. */
export function* possibleOwners(clientId: string): Generator<string> {
  if (isDeviceId(clientId)) yield clientId
  for (let at = clientId.lastIndexOf(':', deviceIdLengthMax); at > 0; at = clientId.lastIndexOf(':', at - 1)) {
    const owner = clientId.slice(0, at)
    if (isDeviceId(owner)) yield owner
  }
}
