// The table of devices: thousands of rows, of which only those on screen exist.
import { type Signal, useComputed, useSignal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { choose, chosen, cursor, toggle } from '../chosen.ts'
import type { Entry } from '../fleet.ts'
import { type Sort, type SortKey, sortText } from '../order.ts'
import { setQuery } from '../router.ts'
import { fleet } from '../state.ts'
import { words } from '../words.ts'
import { DeviceRow } from './device-row.tsx'
import { useRowKeys, useWatch } from './device-rows.ts'
import { useMedia, useSpan } from './window.ts'

const rowPx = 32
const phoneRowPx = 52
/** Names of metrics to choose from, gathered from the first devices that have any. */
const metricsMax = 200
const devicesAskedMax = 500

export interface TableProps {
  readonly rows: readonly Entry[]
  readonly filter: string
  readonly sort: Sort
  readonly metrics: readonly [string, string]
  readonly open: string | null
  readonly isBusy: Signal<boolean>
  /** Returns false to follow the link to its page. */
  readonly onOpen: (deviceId: string, byKey: boolean) => boolean
}

export function DeviceTable({ rows, filter, sort, metrics, open, isBusy, onOpen }: TableProps) {
  const body = useRef<HTMLTableSectionElement>(null)
  const isPhone = useMedia('(max-width: 640px)')
  const heightPx = isPhone ? phoneRowPx : rowPx
  const span = useSpan(body, rows.length, heightPx)
  const shown = rows.slice(span.from, span.to)
  const onScreen = useSignal(shown)
  onScreen.value = shown
  const tabStop = useComputed(() => (onScreen.value.find(({ id }) => id === cursor.value) ?? onScreen.value[0])?.id)
  useWatch(shown, open)
  useRowKeys(rows, heightPx)
  const order = useRef(rows)
  order.current = rows
  const onToggle = (id: string, shift: boolean) =>
    toggle(
      id,
      shift,
      order.current.map((entry) => entry.id),
    )
  useChooseKey(onToggle)

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
  const { columns } = words.overview.list
  return (
    <table
      class="devices"
      aria-label={words.devices.table}
      aria-rowcount={rows.length + 1}
      onPointerEnter={() => {
        isBusy.value = true
      }}
      onPointerLeave={(event) => {
        isBusy.value = event.currentTarget.contains(document.activeElement)
      }}
      onFocusIn={() => {
        isBusy.value = true
      }}
      onFocusOut={(event) => {
        isBusy.value = event.currentTarget.matches(':hover')
      }}
    >
      <thead>
        <tr aria-rowindex={1}>
          <th scope="col" class="choose">
            <ChooseAll rows={rows} />
          </th>
          <Head sort={sort} by="state" name={columns.state} />
          <Head sort={sort} by="name" name={columns.name} />
          <Head sort={sort} by="id" name={columns.id} />
          <Head sort={sort} by="type" name={columns.type} />
          <Head sort={sort} by="tags" name={columns.tags} />
          <Head sort={sort} by="transport" name={columns.transport} />
          <MetricHead sort={sort} by="m1" metric={metrics[0]} />
          {isPhone ? null : <MetricHead sort={sort} by="m2" metric={metrics[1]} />}
          <Head sort={sort} by="seen" name={columns.seen} />
        </tr>
      </thead>
      <tbody ref={body}>
        <Space rows={span.from} heightPx={heightPx} />
        {shown.map((entry, i) => (
          <DeviceRow
            key={entry.id}
            entry={entry}
            index={span.from + i + 2}
            metrics={isPhone ? metrics.slice(0, 1) : metrics}
            tabStop={tabStop}
            isOpen={entry.id === open}
            onOpen={onOpen}
            onToggle={onToggle}
          />
        ))}
        <Space rows={rows.length - span.to} heightPx={heightPx} />
      </tbody>
    </table>
  )
}

/** `x` on the row of the keyboard; with shift, all rows up to it. */
function useChooseKey(onToggle: (deviceId: string, shift: boolean) => void): void {
  const latest = useRef(onToggle)
  latest.current = onToggle
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.key.toLowerCase() !== 'x') return
      const row = cursor.peek()
      if (row === null || (event.target instanceof Element && event.target.closest('.panel, .filter, select, dialog') !== null)) return
      latest.current(row, event.shiftKey)
      event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
}

function ChooseAll({ rows }: { rows: readonly Entry[] }) {
  const isAll = chosen.value.size >= rows.length && rows.every(({ id }) => chosen.value.has(id))
  return (
    <label>
      <input
        type="checkbox"
        checked={isAll}
        ref={(input) => {
          if (input !== null) input.indeterminate = !isAll && chosen.value.size > 0
        }}
        aria-label={words.overview.list.chooseAll}
        onChange={() => choose(isAll ? [] : rows.map(({ id }) => id))}
      />
    </label>
  )
}

function Head({ by, sort, name }: { by: SortKey; sort: Sort; name: string }) {
  const descends = sort.isReversed !== (by === 'seen') // the newest is first there
  const order = sort.by === by ? (descends ? 'descending' : 'ascending') : 'none'
  return (
    <th scope="col" class={by} aria-sort={order}>
      <button type="button" title={words.overview.list.sortBy(name)} onClick={() => setQuery('sort', sortText(sort, by))}>
        {name}
      </button>
    </th>
  )
}

/** The metric of a column: the newest of each device, or one that is chosen here, by which the rows can be sorted. */
function MetricHead({ by, sort, metric }: { by: 'm1' | 'm2'; sort: Sort; metric: string }) {
  const { list } = words.overview
  const names = useSignal<readonly string[]>([])
  const order = sort.by === by && metric !== '' ? (sort.isReversed ? 'descending' : 'ascending') : 'none'
  const options = metric === '' || names.value.includes(metric) ? names.value : [metric, ...names.value]
  const gather = () => {
    names.value = metricNames(fleet.list.peek())
  }
  return (
    <th scope="col" class="metric" aria-sort={order}>
      {metric === '' ? null : (
        <button type="button" title={list.sortBy(metric)} onClick={() => setQuery('sort', sortText(sort, by))}>
          {metric}
        </button>
      )}
      <span class={metric === '' ? 'pick' : 'pick other'}>
        {metric === '' ? list.columns.newest : list.otherMetric}
        <select
          aria-label={list.metricFor(by === 'm1' ? 1 : 2)}
          value={metric}
          onPointerDown={gather}
          onFocus={gather}
          onChange={({ currentTarget }) => setQuery(by, currentTarget.value)}
        >
          <option value="">{list.newestOfEach}</option>
          {options.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </span>
    </th>
  )
}

function metricNames(all: readonly Entry[]): string[] {
  const names = new Set<string>()
  for (const entry of all.slice(0, devicesAskedMax)) {
    for (const name of entry.metrics.peek()) if (names.size < metricsMax) names.add(name)
  }
  return [...names].sort()
}

function Space({ rows, heightPx }: { rows: number; heightPx: number }) {
  return rows <= 0 ? null : <tr class="space" style={{ height: `${rows * heightPx}px` }} />
}
