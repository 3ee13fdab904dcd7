// Which dialects the hub speaks, and what is said in them, both ways.
import type { DeviceId } from '../../devices/device.ts'
import type { Dialect, ForeignDialect, Said, Speaker } from '../../devices/dialects/dialect.ts'
import { type DialectName, foreignDialects } from '../../devices/dialects/foreign.ts'
import { mooring } from '../../devices/dialects/mooring.ts'
import { Numbers } from '../../devices/dialects/numbers.ts'
import type { Message } from '../../devices/message.ts'
import type { Meaning } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'

export class Dialects {
  readonly #foreign: readonly ForeignDialect[]
  readonly #numbers: Numbers

  /** `nowMs`: Unix ms. A number a second is more than a hub gives between two starts. */
  constructor(names: readonly DialectName[] = [], nowMs = 0) {
    this.#foreign = names.map((name) => foreignDialects[name])
    this.#numbers = new Numbers(Math.floor(nowMs / 1000) % 0x7fff_ffff, limits.dialectNumbers)
  }

  /** Whose words a topic name or a filter is in; the own plan's, where it is nobody else's. */
  of(topic: string): Dialect {
    return this.foreignOf(topic) ?? mooring
  }

  foreignOf(topic: string): ForeignDialect | undefined {
    for (const dialect of this.#foreign) if (dialect.isOf(topic)) return dialect
    return undefined
  }

  /** In the words of the own plan. Errors: `dialect-needs-device`, `dialect-not-understood`. */
  read(dialect: ForeignDialect, topic: string, payload: Uint8Array, me: DeviceId | undefined): readonly Said[] {
    if (me === undefined) throw new Refusal('dialect-needs-device', { topic })
    const said = dialect.read(topic, payload, this.#speaker(me))
    if (typeof said === 'string') throw new Refusal('dialect-not-understood', { topic, dialect: dialect.name, detail: said })
    return said
  }

  /** In the words of a dialect; as it is, where that has none. */
  write(dialect: ForeignDialect, message: Message, meaning: Meaning, me: DeviceId): Message {
    const written = dialect.write(meaning, message.payload, this.#speaker(me))
    return written === undefined ? message : { ...message, ...written }
  }

  #speaker(me: DeviceId): Speaker {
    return { me, numbers: this.#numbers }
  }
}
