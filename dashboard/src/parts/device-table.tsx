// The table of devices: thousands of rows, of which only those on screen exist.
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { Entry } from '../fleet.ts'
import type { SortKey } from '../order.ts'
import { devicePath, setQuery } from '../router.ts'
import { words } from '../words.ts'
import { Ago, State, Value } from './cells.tsx'
import { useRowKeys, useRows, useWatch } from './device-rows.ts'
import { useMedia, useSpan } from './window.ts'

const rowPx = 32
const phoneRowPx = 52
const { columns } = words.devices

export function DeviceTable({ filter, sort }: { filter: string; sort: SortKey }) {
  const body = useRef<HTMLTableSectionElement>(null)
  const busy = useSignal(false)
  const rows = useRows(filter, sort, busy.value)
  const phone = useMedia('(max-width: 640px)')
  const heightPx = phone ? phoneRowPx : rowPx
  const span = useSpan(body, rows.length, heightPx)
  const shown = rows.slice(span.from, span.to)
  useWatch(shown)
  useRowKeys(rows, heightPx)

  if (rows.length === 0) {
    return (
      <p class="no-match">
        {words.devices.noMatch(filter)}{' '}
        <button type="button" onClick={() => setQuery('q', '')}>
          {words.devices.clear}
        </button>
      </p>
    )
  }
  return (
    <table
      class="devices"
      aria-label={words.devices.table}
      aria-rowcount={rows.length + 1}
      onPointerEnter={() => {
        busy.value = true
      }}
      onPointerLeave={(event) => {
        busy.value = event.currentTarget.contains(document.activeElement)
      }}
      onFocusIn={() => {
        busy.value = true
      }}
      onFocusOut={(event) => {
        busy.value = event.currentTarget.matches(':hover')
      }}
    >
      <thead>
        <tr aria-rowindex={1}>
          <Head column="state" sort={sort} name={columns.state} sorts="state" />
          <Head column="device" sort={sort} name={columns.device} sorts="device" />
          <th scope="col" colSpan={phone ? 1 : 2} class="values">
            {columns.values}
          </th>
          <Head column="seen" sort={sort} name={columns.seen} sorts="seen" />
        </tr>
      </thead>
      <tbody ref={body}>
        <Space rows={span.from} heightPx={heightPx} />
        {shown.map((entry, i) => (
          <Row key={entry.id} entry={entry} index={span.from + i + 2} metrics={phone ? 1 : 2} />
        ))}
        <Space rows={rows.length - span.to} heightPx={heightPx} />
      </tbody>
    </table>
  )
}

function Row({ entry, index, metrics }: { entry: Entry; index: number; metrics: number }) {
  const [first, second] = entry.shown.value
  return (
    <tr aria-rowindex={index}>
      <td class="state">
        <State entry={entry} />
      </td>
      <th scope="row">
        <a href={devicePath(entry.id)} data-device={entry.id}>
          <DeviceName entry={entry} />
        </a>
        <span class="under">
          <State entry={entry} /> · <Ago at={entry.lastSeenAt} />
        </span>
      </th>
      <Metric entry={entry} metric={first} />
      {metrics === 1 ? null : <Metric entry={entry} metric={second} />}
      <td class="seen">
        <Ago at={entry.lastSeenAt} />
      </td>
    </tr>
  )
}

function DeviceName({ entry }: { entry: Entry }) {
  if (entry.name.value === entry.id) return <code>{entry.id}</code>
  return (
    <>
      <b>{entry.name}</b> <code class="quiet">{entry.id}</code>
    </>
  )
}

function Metric({ entry, metric }: { entry: Entry; metric: string | undefined }) {
  const latest = metric === undefined ? undefined : entry.latest.get(metric)
  return (
    <td class="metric">
      {latest === undefined ? null : (
        <span class="pair">
          <span class="name">{metric}</span>
          <Value key={metric} latest={latest} />
        </span>
      )}
    </td>
  )
}

function Head({ column, sorts, sort, name }: { column: string; sorts: SortKey; sort: SortKey; name: string }) {
  return (
    <th scope="col" class={column} aria-sort={sort === sorts ? (sorts === 'device' ? 'ascending' : 'descending') : 'none'}>
      <button type="button" title={words.devices.sortBy(name)} onClick={() => setQuery('sort', sorts === 'device' ? '' : sorts)}>
        {name}
      </button>
    </th>
  )
}

function Space({ rows, heightPx }: { rows: number; heightPx: number }) {
  return rows <= 0 ? null : <tr class="space" style={{ height: rows * heightPx }} />
}
