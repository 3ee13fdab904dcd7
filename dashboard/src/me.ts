// Who looks at this page, as the hub knows him; and what happens when it knows him no more.
import { effect, signal } from '@preact/signals'
import { loadMe, logOut, type Me, onLoggedOut, Problem } from './api.ts'
import { liveState, stopLive } from './state.ts'

export type Viewer =
  | { readonly is: 'asked' }
  /** Known to the hub, or let in by its address. `me` is null while the hub cannot be reached: then the pages say so. */
  | { readonly is: 'in'; readonly me: Me | null }
  /** `hasEnded`: he was logged in, and is not any more. */
  | { readonly is: 'out'; readonly needsSetUp: boolean; readonly hasEnded: boolean }

export const viewer = signal<Viewer>({ is: 'asked' })

/** Whether the hub would do it: what it would refuse is not offered. Unknown is as good as yes, since the hub decides. */
export function may(what: keyof Me['may']): boolean {
  const { value } = viewer
  return value.is !== 'in' || value.me === null || value.me.may[what]
}

/** Resolves when it is known whether this page may be shown. */
export async function startMe(): Promise<void> {
  onLoggedOut.call = () => void askWho()
  await askWho()
  // The hub closes the live view of who is logged out, and a browser does not say why a socket was refused.
  effect(() => {
    if (liveState.value.is === 'lost') void askWho()
  })
}

/** What was shown belongs to who is gone: the page begins anew, at the same address. */
export async function leave(everywhere = false): Promise<void> {
  await logOut(everywhere)
  location.reload()
}

/** Asks the hub anew: something of him has changed, or may have ended. */
export async function askWho(): Promise<void> {
  const before = viewer.peek()
  if (before.is === 'out') return
  try {
    viewer.value = { is: 'in', me: await loadMe() }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { code } = error
    if (code === 'login-needed' || code === 'set-up-needed') {
      stopLive()
      viewer.value = { is: 'out', needsSetUp: code === 'set-up-needed', hasEnded: before.is === 'in' }
    } else if (before.is === 'asked') viewer.value = { is: 'in', me: null }
  }
}
