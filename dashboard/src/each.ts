// One request to each of many devices, a few at a time, with what became of it.
import { Problem } from './api.ts'

export interface Outcome {
  readonly done: number
  /** The first of them. */
  readonly refused: readonly { readonly device: string; readonly problem: Problem }[]
  readonly refusedCount: number
}

const atOnce = 6
const refusedKept = 5

/** Until all are asked or `abort` fires. A refusal ends nothing: the others are still asked. Errors: what is no `Problem`. */
export async function askEach(
  devices: readonly string[],
  ask: (device: string) => Promise<unknown>,
  abort: AbortSignal,
  onProgress: (outcome: Outcome) => void,
): Promise<Outcome> {
  const refused: { device: string; problem: Problem }[] = []
  let [next, done, refusedCount] = [0, 0, 0]
  const outcome = () => ({ done, refused: [...refused], refusedCount })
  const askSome = async () => {
    while (next < devices.length && !abort.aborted) {
      const device = devices[next++]!
      try {
        await ask(device)
        done += 1
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        refusedCount += 1
        if (refused.length < refusedKept) refused.push({ device, problem: error })
      }
      onProgress(outcome())
    }
  }
  await Promise.all(Array.from({ length: atOnce }, askSome))
  return outcome()
}
