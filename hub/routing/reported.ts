// What devices report of their state: the writer thread reads it, merges it, and refuses what it cannot.
import { isTwinName, twinNameRule } from '../../devices/twin.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { frameFlags } from '../store/store.ts'
import type { Meant } from './router.ts'

export const reported: Meant = {
  flags: frameFlags.reported,
  taken({ meaning }, _bytes, start, end) {
    if (meaning.is === 'reported' && !isTwinName(meaning.twin)) throw new Refusal('twin-invalid', { detail: twinNameRule })
    if (end - start > limits.twinPatchBytes)
      throw new Refusal('twin-invalid', {
        detail: `it has ${end - start} bytes, and may have ${limits.twinPatchBytes} (limits.twinPatchBytes)`,
      })
    return undefined
  },
}
