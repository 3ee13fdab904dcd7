// What needs attention: a sentence each, with the one thing to do about it. The newest first.
import { type ReadonlySignal, useComputed } from '@preact/signals'
import { type Concern, concernsOf, type Facts } from '../attention.ts'
import { ago, count, exactTime } from '../format.ts'
import { devicePath } from '../router.ts'
import { fleet, now } from '../state.ts'
import { words } from '../words.ts'

/** Nobody reads more sentences than this; the rest is counted, and the list of devices has them. */
const shownMax = 50

/** Null until it is known. */
export function useConcerns(
  asked: ReadonlySignal<Pick<Facts, 'stale' | 'freshness' | 'failed' | 'growth'> | null>,
): ReadonlySignal<readonly Concern[] | null> {
  return useComputed(() => {
    fleet.version.value
    if (asked.value === null || fleet.total.value === null) return null
    // By the minute: with each second of a large fleet all devices would be looked through again.
    const nowMs = Math.floor(now.value / 60_000) * 60_000
    return concernsOf({ ...asked.value, fleet: fleet.list.value, nowMs })
  })
}

export function AttentionList({ concerns }: { concerns: ReadonlySignal<readonly Concern[] | null> }) {
  const all = concerns.value
  const { attention } = words.overview
  return (
    <section aria-labelledby="attention">
      <h2 id="attention">
        {attention.title} {all === null || all.length === 0 ? null : <span class="quiet">{count(all.length)}</span>}
      </h2>
      {all === null ? (
        <div class="attention-place" />
      ) : all.length === 0 ? (
        <p class="calm">
          <i class="shape ok" />
          {attention.calm}
        </p>
      ) : (
        <>
          <ul class="attention">
            {all.slice(0, shownMax).map((concern) => (
              <Item key={`${concern.is} ${subjectOf(concern)} ${concern.at}`} concern={concern} />
            ))}
          </ul>
          <p class="more quiet">
            {all.length > shownMax ? `${attention.more(count(all.length - shownMax))} · ` : ''}
            {all.some(({ is }) => is === 'lost') ? <a href="/devices?q=status:offline">{attention.allLost}</a> : null}{' '}
            {all.some(({ is }) => is === 'stale') ? <a href="/devices?q=stale:yes">{attention.allStale}</a> : null}
          </p>
        </>
      )}
    </section>
  )
}

function Item({ concern }: { concern: Concern }) {
  const { attention } = words.overview
  const subject = subjectOf(concern)
  const isOfHub = concern.is === 'refused' || concern.is === 'dropped'
  const when = useComputed(() => (concern.at === 0 ? '' : ago(concern.at, now.value)))
  return (
    <li>
      <i class={concern.is === 'lost' || concern.is === 'failed' ? 'shape bad' : 'shape warn'} />
      <p>
        <code>{subject}</code> {sentenceOf(concern)}
      </p>
      <time class="quiet" title={concern.at === 0 ? '' : exactTime(concern.at)}>
        {when}
      </time>
      <a href={isOfHub ? '/hub' : devicePath(subject)} aria-label={attention.openLabel(isOfHub ? words.nav.hub : subject)}>
        {isOfHub ? attention.openHub : attention.openDevice}
      </a>
    </li>
  )
}

function subjectOf(concern: Concern): string {
  return 'device' in concern ? concern.device : concern.code
}

function sentenceOf(concern: Concern): string {
  const { attention } = words.overview
  switch (concern.is) {
    case 'lost':
      return attention.lost(words.presence.reasons[concern.reason] ?? concern.reason)
    case 'stale':
      return attention.stale(concern.metrics)
    case 'refused':
    case 'dropped':
      return attention[concern.is](concern.times, count(concern.times))
    case 'failed':
      return attention.failed(concern.command, concern.reason ?? '')
  }
}
