// Which devices are chosen in the table, for what is done to many at once.
import { signal } from '@preact/signals'

export const chosen = signal<ReadonlySet<string>>(new Set())
/** The row that the keyboard stands on. */
export const cursor = signal<string | null>(null)

/** Where a stretch that is chosen with shift begins. */
let anchor: string | null = null

/** With `shift`, all rows from the last one that was toggled become what that one is. `order`: the ids as they stand in the table. */
export function toggle(deviceId: string, shift: boolean, order: readonly string[]): void {
  const next = new Set(chosen.peek())
  const [from, to] = [anchor === null ? -1 : order.indexOf(anchor), order.indexOf(deviceId)]
  if (shift && anchor !== null && from >= 0 && to >= 0) {
    const isChosen = next.has(anchor)
    for (const id of order.slice(Math.min(from, to), Math.max(from, to) + 1)) {
      if (isChosen) next.add(id)
      else next.delete(id)
    }
  } else if (!next.delete(deviceId)) next.add(deviceId)
  if (!shift) anchor = deviceId
  chosen.value = next
}

export function choose(deviceIds: Iterable<string>): void {
  anchor = null
  chosen.value = new Set(deviceIds)
}
