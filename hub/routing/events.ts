// What devices say has happened to them: kept, and bounded, because all of it is on their timelines.
import { isUtf8 } from 'node:buffer'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { frameFlags } from '../store/store.ts'
import type { Meant } from './router.ts'

export const deviceEvents: Meant = {
  flags: frameFlags.event,
  taken({ meaning }, bytes, start, end) {
    const name = meaning.is === 'event' ? meaning.name : ''
    if (Buffer.byteLength(name) > limits.eventNameBytes)
      throw new Refusal('event-invalid', { detail: `it is called by more than ${limits.eventNameBytes} bytes (limits.eventNameBytes)` })
    if (end - start > limits.eventBytes)
      throw new Refusal('event-invalid', { detail: `it has ${end - start} bytes, more than ${limits.eventBytes} (limits.eventBytes)` })
    if (!isUtf8(bytes.subarray(start, end))) throw new Refusal('event-invalid', { detail: 'it is neither JSON nor text' })
    return undefined
  },
}
