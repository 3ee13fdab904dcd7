// The newest values of one device, a chart for each number, a table for texts and structures.
import { useComputed } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { Entry } from '../../fleet.ts'
import { count } from '../../format.ts'
import { toNumber } from '../../history.ts'
import { words } from '../../words.ts'
import { Ago, Value } from '../cells.tsx'
import { Charts } from '../charts.tsx'
import type { Activity } from './activity.ts'
import { EventLanes } from './event-lanes.tsx'

export function Values({ entry, activity }: { entry: Entry; activity: Activity }) {
  const metrics = entry.metrics.value
  const charted = useMemo(() => metrics.filter((metric) => toNumber(entry.latest.get(metric)!.peek().value) !== null), [metrics])
  const others = metrics.filter((metric) => !charted.includes(metric))
  if (metrics.length === 0) return <p class="empty">{words.device.noValues}</p>
  return (
    <>
      {charted.length === 0 ? null : (
        <section aria-label={words.device.latest}>
          <dl class="figures">
            {charted.map((metric) => (
              <div key={metric}>
                <dt title={metric}>{metric}</dt>
                <dd>
                  <Value latest={entry.latest.get(metric)!} />
                </dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {charted.length === 0 ? null : <Charts entry={entry} metrics={charted} />}
      <EventLanes activity={activity} />
      {others.length === 0 ? null : <Others entry={entry} metrics={others} />}
    </>
  )
}

function Others({ entry, metrics }: { entry: Entry; metrics: readonly string[] }) {
  const { columns } = words.device
  return (
    <section>
      <h2>
        {words.device.others} <span class="quiet">{count(metrics.length)}</span>
      </h2>
      <table class="plain others">
        <thead>
          <tr>
            <th scope="col">{columns.metric}</th>
            <th scope="col">{columns.value}</th>
            <th scope="col">{columns.at}</th>
          </tr>
        </thead>
        <tbody>
          {metrics.map((metric) => (
            <Other key={metric} metric={metric} entry={entry} />
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Other({ metric, entry }: { metric: string; entry: Entry }) {
  const latest = entry.latest.get(metric)!
  const at = useComputed(() => latest.value.at)
  return (
    <tr>
      <th scope="row">{metric}</th>
      <td>
        <Value latest={latest} />
      </td>
      <td class="seen">
        <Ago at={at} />
      </td>
    </tr>
  )
}
