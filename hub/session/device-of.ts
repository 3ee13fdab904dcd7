// Which device speaks by a session.
import { possibleOwners } from '../../devices/client-id.ts'
import type { DeviceId } from '../../devices/device.ts'
import type { Session } from './session.ts'

/**
 * The device whose credential it came by; of a client without one (on this machine, say) the device on record that its client identifier
 * names. Undefined for anybody else. A device may have several sessions.
 */
export function deviceOf(
  { clientId, principal: { identity } }: Pick<Session, 'clientId' | 'principal'>,
  isOnRecord: (id: DeviceId) => boolean,
): DeviceId | undefined {
  if (identity.is === 'device') return identity.name
  for (const device of possibleOwners(clientId)) if (isOnRecord(device)) return device
  return undefined
}
