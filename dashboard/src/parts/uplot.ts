// uPlot is more than a third of all script, and charts alone need it: it is fetched with the first of them.
import { signal } from '@preact/signals'
import type Plot from 'uplot'
import { Problem } from '../api.ts'
import { words } from '../words.ts'

/** null until it is here; charts are drawn from then on. */
export const uPlot = signal<typeof Plot | null>(null)

/** Errors: `Problem`. */
export async function loadPlot(): Promise<void> {
  try {
    uPlot.value ??= (await import('uplot')).default
  } catch (cause) {
    throw new Problem('unreachable', words.problem.unreachable, { cause })
  }
}
