// What a gateway may do in place of its children: what their types let them do themselves.
import type { DeviceId } from '../../devices/device.ts'
import { type Children, Permissions, type WhyNotChild } from '../../devices/permissions.ts'
import type { Gateways } from '../routing/gateways.ts'
import type { Access } from './access.ts'

export interface ChildRightsParts {
  hasDevice(id: DeviceId): boolean
  gateways(): Pick<Gateways, 'gatewayOf' | 'childrenOf' | 'tagsOf'>
}

/** What it asks of all that is known of who may come in. */
type Known = Pick<Access, 'credentials' | 'disabled' | 'roles' | 'types'>

export class ChildRights {
  readonly #parts: ChildRightsParts
  readonly #known: Known
  /** Of children that were spoken for; one for all sessions of their gateway. */
  readonly #permissions = new Map<DeviceId, Permissions>()

  constructor(parts: ChildRightsParts, known: Known) {
    this.#parts = parts
    this.#known = known
  }

  /** Undefined for a device that is no gateway. */
  of(gateway: DeviceId): Children | undefined {
    const gateways = this.#parts.gateways()
    const { disabled, types } = this.#known
    const count = gateways.childrenOf(gateway).size
    const policy = types.of(gateway)?.children
    if (count === 0 && policy === undefined) return undefined
    const isNew = (device: DeviceId) => policy === 'new' && this.#isUnheardOf(device)
    return {
      count,
      isNew,
      of: (device) => {
        if (gateways.gatewayOf(device) === gateway) return disabled.has(device) ? undefined : this.#permissionsOf(device)
        return isNew(device) ? this.#made(device) : undefined
      },
      whyNot: (device): WhyNotChild => (gateways.gatewayOf(device) === gateway ? 'disabled' : 'stranger'),
    }
  }

  /** It may do something else now, or is nobody's child any more. */
  forget(child: DeviceId): void {
    this.#permissions.delete(child)
  }

  forgetAll(): void {
    this.#permissions.clear()
  }

  #isUnheardOf(device: DeviceId): boolean {
    const { disabled, credentials } = this.#known
    return !this.#parts.hasDevice(device) && !disabled.has(device) && !credentials.isOwner({ is: 'device', name: device })
  }

  #permissionsOf(child: DeviceId): Permissions {
    const known = this.#permissions.get(child)
    if (known !== undefined) return known
    const made = this.#made(child)
    this.#permissions.set(child, made)
    return made
  }

  /** As its type says. The role of a credential holds for who comes by that one. */
  #made(child: DeviceId): Permissions {
    const { roles, types } = this.#known
    const tags = this.#parts.gateways().tagsOf(child)
    return new Permissions(roles.rulesOf(types.roleOf(child)), { device: child, clientId: child, user: undefined, tags })
  }
}
