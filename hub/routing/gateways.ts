// Which devices are gateways, and of whom: the devices that their connections speak for.
import type { Device, DeviceId, Tags } from '../../devices/device.ts'
import type { Child, Kinship } from '../../devices/gateway.ts'

/** `brought`: a new device came by its gateway. `described`: what is said of it, its type or its tags, may be another. */
export type ChildNews = 'attached' | 'brought' | 'described' | 'detached'

/** Told of children and gateways, as it becomes so. */
export type OnChild = (child: DeviceId, gateway: DeviceId, news: ChildNews) => void

const none: ReadonlySet<DeviceId> = new Set()
const noTags: Tags = {}

export class Gateways implements Pick<Kinship, 'gatewayOf' | 'hasChildren'> {
  readonly #children = new Map<DeviceId, Child>()
  readonly #byGateway = new Map<DeviceId, Set<DeviceId>>()
  readonly #onChild: OnChild

  constructor(atStart: readonly Child[] = [], onChild: OnChild = () => {}) {
    this.#onChild = onChild
    for (const child of atStart) this.#set(child)
  }

  gatewayOf(child: DeviceId): DeviceId | undefined {
    return this.#children.get(child)?.gateway
  }

  childrenOf(gateway: DeviceId): ReadonlySet<DeviceId> {
    return this.#byGateway.get(gateway) ?? none
  }

  hasChildren(gateway: DeviceId): boolean {
    return this.#byGateway.has(gateway)
  }

  /** Of a child: what rules may ask for. */
  tagsOf(child: DeviceId): Tags {
    return this.#children.get(child)?.tags ?? noTags
  }

  /** A new device that came by a gateway. Nobody is told before it is on disk, see `created`. */
  create(id: DeviceId, gateway: DeviceId): void {
    this.#set({ id, gateway, tags: noTags })
  }

  /** It is on disk. */
  created(id: DeviceId): void {
    const gateway = this.gatewayOf(id)
    if (gateway !== undefined) this.#onChild(id, gateway, 'brought')
  }

  /** What is said of it is on disk. */
  described({ id, gateway, tags }: Pick<Device, 'id' | 'gateway' | 'tags'>): void {
    const before = this.gatewayOf(id)
    if (before !== undefined && before !== gateway) this.#detach(id, before)
    if (gateway === null) return
    this.#set({ id, gateway, tags })
    this.#onChild(id, gateway, before === gateway ? 'described' : 'attached')
  }

  /** The device is deleted: it is nobody's child, and its children have no gateway. Returns what it was in, for `putBack`. */
  remove(id: DeviceId): readonly Child[] {
    const broken = [id, ...this.childrenOf(id)].flatMap((child) => this.#children.get(child) ?? [])
    for (const { id: child, gateway } of broken) this.#detach(child, gateway)
    return broken
  }

  /** The store could not delete it. */
  putBack(broken: readonly Child[]): void {
    for (const child of broken) {
      if (this.#children.has(child.id)) continue
      this.#set(child)
      this.#onChild(child.id, child.gateway, 'attached')
    }
  }

  #set(child: Child): void {
    const { id, gateway } = child
    this.#children.set(id, child)
    const children = this.#byGateway.get(gateway)
    if (children === undefined) this.#byGateway.set(gateway, new Set([id]))
    else children.add(id)
  }

  #detach(child: DeviceId, gateway: DeviceId): void {
    this.#children.delete(child)
    const children = this.#byGateway.get(gateway)
    children?.delete(child)
    if (children?.size === 0) this.#byGateway.delete(gateway)
    this.#onChild(child, gateway, 'detached')
  }
}
