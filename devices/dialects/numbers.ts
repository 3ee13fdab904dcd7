// Numbers for what the own plan calls by name, where a format knows numbers alone: a command of this id is request 17 of that device.
import type { DeviceId } from '../device.ts'

export class Numbers {
  readonly #countMax: number
  #newest: number
  /** By device and name, and the other way round; the oldest come first. */
  readonly #numbers = new Map<string, number>()
  readonly #names = new Map<string, string>()

  /** `first`: larger than any that an earlier run of the hub has given, or an answer to that one would be taken for another's. */
  constructor(first: number, countMax: number) {
    this.#newest = first - 1
    this.#countMax = countMax
  }

  /** The same again for the same name, as long as it is remembered. Fits into 31 bits, which is what small devices count with. */
  of(device: DeviceId, name: string): number {
    const key = `${device}/${name}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#newest = (this.#newest + 1) % 0x7fff_ffff
    this.#numbers.set(key, this.#newest)
    this.#names.set(`${device}/${this.#newest}`, name)
    if (this.#numbers.size > this.#countMax) this.#forgetOldest()
    return this.#newest
  }

  nameOf(device: DeviceId, number: string): string | undefined {
    return this.#names.get(`${device}/${number}`)
  }

  #forgetOldest(): void {
    for (const map of [this.#numbers, this.#names])
      for (const oldest of map.keys()) {
        map.delete(oldest)
        break
      }
  }
}
