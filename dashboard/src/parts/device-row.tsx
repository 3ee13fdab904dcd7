// One row of the table of devices. It is rendered once; then its signals write into it.
import { type ReadonlySignal, useComputed } from '@preact/signals'
import { chosen, cursor } from '../chosen.ts'
import type { Entry } from '../fleet.ts'
import { tagTexts } from '../order.ts'
import { devicePath } from '../router.ts'
import { words } from '../words.ts'
import { Ago, State, Value } from './cells.tsx'

export interface RowProps {
  readonly entry: Entry
  readonly index: number
  /** Empty: the newest of this device. On a phone there is one. */
  readonly metrics: readonly string[]
  /** Which row the Tab key comes to. */
  readonly tabStop: ReadonlySignal<string | undefined>
  readonly isOpen: boolean
  readonly onOpen: (deviceId: string, byKey: boolean) => boolean
  readonly onToggle: (deviceId: string, shift: boolean) => void
}

export function DeviceRow({ entry, index, metrics, tabStop, isOpen, onOpen, onToggle }: RowProps) {
  const { id } = entry
  const isChosen = useComputed(() => chosen.value.has(id))
  const tabIndex = useComputed(() => (tabStop.value === id ? 0 : -1))
  const look = useComputed(() => (chosen.value.has(id) ? 'chosen' : ''))
  const shown = entry.shown.value
  return (
    <tr aria-rowindex={index} class={look} aria-current={isOpen ? 'true' : undefined}>
      <td class="choose">
        <label>
          <input
            type="checkbox"
            checked={isChosen}
            tabIndex={tabIndex}
            aria-label={words.overview.list.choose(id)}
            onFocus={() => {
              cursor.value = id
            }}
            onClick={(event) => onToggle(id, event.shiftKey)}
          />
        </label>
      </td>
      <td class="state">
        <State entry={entry} />
      </td>
      <th scope="row" class="name">
        <a
          href={devicePath(id)}
          data-device={id}
          tabIndex={tabIndex}
          onFocus={() => {
            cursor.value = id
          }}
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
            if (onOpen(id, event.detail === 0)) event.preventDefault()
          }}
        >
          {entry.name.value === id ? <code>{id}</code> : <b>{entry.name}</b>}
        </a>
        <span class="under">
          <State entry={entry} /> · <Ago at={entry.lastSeenAt} />
        </span>
      </th>
      <td class="id">{entry.name.value === id ? null : <code>{id}</code>}</td>
      <td class="type">{entry.type}</td>
      <TagsCell entry={entry} />
      <TransportCell entry={entry} />
      {metrics.map((metric, i) => (
        <Metric key={`${i} ${metric}`} entry={entry} metric={metric === '' ? shown[i] : metric} isNamed={metric === ''} />
      ))}
      <td class="seen">
        <Ago at={entry.lastSeenAt} />
      </td>
    </tr>
  )
}

function TagsCell({ entry }: { entry: Entry }) {
  const text = useComputed(() => tagTexts(entry.tags.value).join('  '))
  return (
    <td class="tags" title={text}>
      {text}
    </td>
  )
}

function TransportCell({ entry }: { entry: Entry }) {
  const text = useComputed(() => {
    const { wire } = entry.presence.value
    return wire === undefined ? '' : (words.transports[wire] ?? wire)
  })
  return <td class="transport">{text}</td>
}

function Metric({ entry, metric, isNamed }: { entry: Entry; metric: string | undefined; isNamed: boolean }) {
  entry.metrics.value // a chosen metric may come for the first time
  const latest = metric === undefined ? undefined : entry.latest.get(metric)
  return (
    <td class="metric">
      {latest === undefined ? null : (
        <span class="pair">
          {isNamed ? <span class="name">{metric}</span> : null}
          <Value key={metric} latest={latest} />
        </span>
      )}
    </td>
  )
}
