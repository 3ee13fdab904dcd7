// What stands there before anything is drawn: how to choose, with a few choices of this fleet that are ready.
import { isDrawn } from '../../api/explore.ts'
import { type Choice, choiceOf, queryFor } from '../../explore.ts'
import type { Entry } from '../../fleet.ts'
import { query } from '../../router.ts'
import { fleet } from '../../state.ts'
import { exploreWords } from '../../words/explore.ts'
import { FirstMessage } from '../first-message.tsx'

const says = exploreWords.empty
const linksMax = 3
const togetherMax = 5
const metricsShown = 2
const entriesLooked = 500
/** Of metrics to begin with. */
const metricsOffered = 12
const standard = 'range=24h'

export function ReadyChoices() {
  fleet.version.value // newest values come with the list
  if (fleet.total.value === 0) return <FirstMessage />
  const links = readyLinks(fleet.list.value.slice(0, entriesLooked))
  return (
    <section class="ready">
      <h2>{says.title}</h2>
      <p class="quiet">{says.lead}</p>
      {links.length === 0 ? null : (
        <>
          <h3>{says.ready}</h3>
          <ul>
            {links.map(([address, text]) => (
              <li key={address}>
                <a href={address}>{text}</a>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

/** The devices are chosen, the metrics are not. */
export function ReadyMetrics({ choice, metrics }: { choice: Choice; metrics: ReadonlyMap<string, number> }) {
  if (metrics.size === 0) return <p class="empty">{says.noMetrics}</p>
  return (
    <section class="ready">
      <h2>{says.chooseMetric}</h2>
      <ul>
        {[...metrics].slice(0, metricsOffered).map(([metric, n]) => (
          <li key={metric}>
            <a href={addressOf({ ...choice, metrics: [metric] }, query.value)}>{metric}</a> <span class="quiet">{exploreWords.on(n)}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** One that puts devices side by side, then single ones. */
function readyLinks(entries: readonly Entry[]): readonly (readonly [address: string, text: string])[] {
  const speaking = entries.map((entry) => [entry, drawnMetrics(entry)] as const).filter(([, metrics]) => metrics.length > 0)
  const sharing = new Map<string, string[]>()
  for (const [{ id }, metrics] of speaking) for (const metric of metrics) sharing.set(metric, [...(sharing.get(metric) ?? []), id])
  const [shared, ids = []] = [...sharing].reduce<readonly [string, string[]] | readonly []>(
    (most, one) => (one[1].length > (most[1]?.length ?? 1) ? one : most),
    [],
  )
  const none = choiceOf(new URLSearchParams())
  const address = (devices: readonly string[], metrics: readonly string[]) =>
    addressOf({ ...none, devices, metrics }, new URLSearchParams(standard))
  const together = ids.slice(0, togetherMax)
  const links = shared === undefined ? [] : [[address(together, [shared]), says.many(together.length, shared)] as const]
  const single = speaking.slice(0, linksMax - links.length).map(([{ id }, metrics]) => {
    const shown = metrics.slice(0, metricsShown)
    return [address([id], shown), says.one(id, shown.join(', '))] as const
  })
  return [...links, ...single]
}

function drawnMetrics({ latest }: Entry): readonly string[] {
  return [...latest].filter(([, value]) => isDrawn(value.peek().value)).map(([metric]) => metric)
}

function addressOf(choice: Choice, rest: URLSearchParams): string {
  return `/explore?${queryFor(choice, rest)}`
}
