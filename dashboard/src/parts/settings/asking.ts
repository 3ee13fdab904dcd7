// A change that the hub is asked for: what it says against it stays until the next one.
import { type Signal, useSignal } from '@preact/signals'
import { Problem } from '../../api.ts'
import { type Reading, useReading } from '../device/reading.ts'

/** Others may change things, too. */
const standardMs = 10_000

export interface Asking {
  readonly problem: Signal<Problem | null>
  readonly reading: Reading
  ask(change: () => Promise<unknown>): Promise<void>
}

/** `key`: what is read. */
export function useAsking(key: string, read: (abort: AbortSignal) => Promise<void>, everyMs = standardMs): Asking {
  const refused = useSignal<Problem | null>(null)
  const reading = useReading(key, everyMs, read)
  const ask = async (change: () => Promise<unknown>) => {
    refused.value = null
    try {
      await change()
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      refused.value = error
    }
    reading.again()
  }
  return { problem: refused.value === null ? reading.problem : refused, reading, ask }
}
