// A gateway: a device whose connections speak for other devices, its children.
import type { DeviceId, Tags } from './device.ts'

/** What is known of a device that has a gateway. */
export interface Child {
  readonly id: DeviceId
  readonly gateway: DeviceId
  readonly tags: Tags
}

/** What is on record, as far as it is asked for here. */
export interface Kinship {
  has(id: DeviceId): boolean
  gatewayOf(id: DeviceId): DeviceId | null | undefined
  hasChildren(id: DeviceId): boolean
}

/**
 * The clause that says why one device may not be the gateway of another. One level and no more: what is allowed and who is there is then
 * found in one step, no circle can arise, and it is never a question which of two gateways a message came through.
 */
export function whyNotGateway(gateway: DeviceId, child: DeviceId, kinship: Kinship): string | undefined {
  if (gateway === child) return `${child} cannot be its own gateway`
  if (!kinship.has(gateway)) return `there is no device ${gateway} that could be its gateway`
  const above = kinship.gatewayOf(gateway)
  if (typeof above === 'string') return `${gateway} has a gateway itself, ${above}, and a gateway of gateways there is not`
  if (kinship.hasChildren(child)) return `${child} is the gateway of others, and a gateway of gateways there is not`
  return undefined
}
