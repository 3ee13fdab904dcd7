// Where a device stands, in one line; what the hub last refused of it, and which of its metrics are silent.
import { useComputed } from '@preact/signals'
import type { DeviceDetail } from '../../api/twin.ts'
import type { Entry } from '../../fleet.ts'
import { ago, count, exactTime } from '../../format.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { words } from '../../words.ts'
import { State, sinceAndWhy } from '../cells.tsx'

/** The others are counted. */
const staleNamed = 5

export function StatusLine({ device, entry }: { device: DeviceDetail; entry: Entry }) {
  const { connection } = device
  const since = useComputed(() => sinceAndWhy(entry.presence.value, now.value))
  const title = useComputed(() => (entry.presence.value.since === null ? '' : exactTime(entry.presence.value.since)))
  return (
    <p class="sentence parts">
      <span>
        <State entry={entry} /> <span title={title}>{since}</span>
      </span>
      {connection === null ? null : (
        <>
          <span>{words.transports[connection.transport] ?? connection.transport}</span>
          <code>{connection.address}</code>
          {connection.clientId === device.id ? null : <span>{words.device.client(connection.clientId)}</span>}
        </>
      )}
      <LastSeen entry={entry} />
      {entry.name.value === device.id ? null : <code>{device.id}</code>}
      {device.type === null ? null : <span>{twinWords.type(device.type)}</span>}
      {Object.entries(device.tags).map(([name, value]) => (
        <span key={name} class="tag">
          {twinWords.tag(name, value)}
        </span>
      ))}
    </p>
  )
}

function LastSeen({ entry }: { entry: Entry }) {
  const text = useComputed(() => {
    const at = entry.lastSeenAt.value
    return at === null ? words.device.neverSeen : words.device.lastSeen(ago(at, now.value))
  })
  const title = useComputed(() => (entry.lastSeenAt.value === null ? '' : exactTime(entry.lastSeenAt.value)))
  return <span title={title}>{text}</span>
}

export function LastRefusal({ device }: { device: DeviceDetail }) {
  if (device.lastRefusal === null) return null
  const { at, topic, sentence } = device.lastRefusal
  return (
    <div class="refusal">
      <i class="shape warn" />
      <p>
        <b>{sentence}</b> <span class="quiet">{words.device.refused(ago(at, now.value), topic)}</span>
      </p>
    </div>
  )
}

/** Metrics that should have come again by now. */
export function Silent({ device: { freshness } }: { device: DeviceDetail }) {
  const silent = Object.entries(freshness).filter(([, { isStale }]) => isStale)
  if (silent.length === 0) return null
  const named = silent.slice(0, staleNamed).map(([metric]) => metric)
  const metrics = silent.length > staleNamed ? [...named, twinWords.staleMore(count(silent.length - staleNamed))] : named
  const since = Math.min(...silent.map(([, { staleAt }]) => staleAt ?? now.value))
  return (
    <div class="refusal">
      <i class="shape warn" />
      <p>
        <b>{twinWords.stale(metrics.join(', '))}</b> <span class="quiet">{ago(since, now.value)}</span>
      </p>
    </div>
  )
}
