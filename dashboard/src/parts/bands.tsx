// What has to be said on every page: that the view is not live, that readings may be lost, that something is being read.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ago } from '../format.ts'
import { durability, liveState, waiting } from '../state.ts'
import { words } from '../words.ts'

export function Bands() {
  const kept = durability.value
  return (
    <div class="bands">
      <Waiting />
      <p class="band" role="status">
        {liveState.value.is === 'lost' ? <Lost sinceMs={liveState.value.sinceMs} reason={liveState.value.reason} /> : null}
      </p>
      {kept === 'batched' || kept === 'memory' ? (
        <p class="band" role="note">
          <i class="shape warn" />
          {words.durability[kept]}
        </p>
      ) : null}
    </div>
  )
}

/** Counts by this page's clock: the hub's stands still while the view is lost. */
function Lost({ sinceMs, reason }: { sinceMs: number; reason: string }) {
  const clock = useSignal(Date.now())
  useEffect(() => {
    const timer = setInterval(() => {
      clock.value = Date.now()
    }, 1_000)
    return () => clearInterval(timer)
  }, [])
  return (
    <>
      <i class="shape warn" />
      {words.live.lostFor(ago(sinceMs, clock.value), reason)}
    </>
  )
}

/** Moves only after 400 ms (its style waits): most answers are there before. */
function Waiting() {
  const look = useComputed(() => (waiting.value > 0 ? 'waiting' : ''))
  return <div class={look} aria-hidden="true" />
}
