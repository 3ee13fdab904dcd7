// A change of what is desired, made to the version that a person saw. What a device reports meanwhile is no reason to refuse it; what somebody
// else desired is.
import type { JsonObject } from '../../../../devices/merge-patch.ts'
import { changeDesired, loadTwin, loadVersions, type Twin } from '../../api/twin.ts'
import { Problem } from '../../api.ts'
import { count } from '../../format.ts'
import { twinWords } from '../../words/twin.ts'
import { changesText } from './marks.ts'

/** A device that reports all the time is faster now and then, not always. */
const triesMax = 6
const versionsRead = 100

export type Desired =
  | { readonly is: 'done'; readonly twin: Twin }
  /** Somebody was faster: `twin` is the newer one, `sentence` says who and what. */
  | { readonly is: 'conflict'; readonly twin: Twin; readonly sentence: string }

/** Errors: `Problem`. */
export async function desire(deviceId: string, seen: Twin, patch: JsonObject): Promise<Desired> {
  let { version } = seen
  for (let tried = 1; ; tried++) {
    try {
      return { is: 'done', twin: await changeDesired(deviceId, seen.twin, patch, version) }
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'twin-changed') throw error
      const [twin, versions] = await Promise.all([loadTwin(deviceId, seen.twin), loadVersions(deviceId, seen.twin, versionsRead)])
      const faster = versions.find(({ part, version: its }) => part === 'desired' && its > seen.version)
      if (faster !== undefined) {
        const sentence = twinWords.twin.faster(faster.by ?? twinWords.twin.somebody, count(faster.version), changesText(faster.patch))
        return { is: 'conflict', twin, sentence }
      }
      if (tried === triesMax) throw error
      version = twin.version
    }
  }
}
