// What the live socket does not carry is read again: when the view comes back, every few seconds, and at once when something tells that it changed.
import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { Problem } from '../../api.ts'
import { epoch, liveState, waitFor } from '../../state.ts'

/** Two readings for the same cause are at least so far apart. */
const apartMs = 400

export interface Reading {
  readonly problem: Signal<Problem | null>
  /** Reads again soon: at once, or when the last one is long enough ago. */
  again(): void
}

/** `key`: what is read; another one begins anew. */
export function useReading(key: string, everyMs: number, read: (abort: AbortSignal) => Promise<void>): Reading {
  const problem = useSignal<Problem | null>(null)
  const latest = useRef(read)
  latest.current = read
  const asked = useMemo(() => ({ again: () => {} }), [])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    let timer = 0
    let reading = false
    let isWanted = false
    let endedMs = 0
    const now = async () => {
      if (reading) {
        isWanted = true
        return
      }
      reading = true
      isWanted = false
      clearTimeout(timer)
      try {
        await latest.current(abort.signal)
        problem.value = null
      } catch (error) {
        if (error instanceof Problem) problem.value = error
        else if (!abort.signal.aborted) throw error
      } finally {
        reading = false
        endedMs = Date.now()
        if (!abort.signal.aborted) timer = window.setTimeout(tick, isWanted ? apartMs : everyMs)
      }
    }
    const tick = () => {
      // A hidden page asks for nothing, and while the view is lost the band above says so.
      if (liveState.peek().is === 'live' && !document.hidden) void now()
      else timer = window.setTimeout(tick, everyMs)
    }
    asked.again = () => {
      const leftMs = apartMs - (Date.now() - endedMs)
      if (reading || leftMs <= 0) {
        void now()
        return
      }
      clearTimeout(timer)
      timer = window.setTimeout(tick, leftMs)
    }
    void waitFor(now())
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [key, epoch.value])

  return useMemo(() => ({ problem, again: () => asked.again() }), [])
}
