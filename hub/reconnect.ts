// When to come again: whom the hub sends away all at once, it does not want back all at once.
import { limits } from './limits.ts'

/** Another one for each: from 1 s to the end of the window. */
export function reconnectAfterMs(): number {
  return 1000 + Math.floor(Math.random() * (limits.reconnectSpreadSeconds - 1) * 1000)
}

/** The same, for words that know seconds alone. */
export function reconnectAfterSeconds(): number {
  return 1 + Math.floor(Math.random() * limits.reconnectSpreadSeconds)
}
