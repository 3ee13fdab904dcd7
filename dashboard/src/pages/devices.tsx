// Devices: how many there are, a filter that is also the address, the table, one of them beside it, and what is done to many.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import { loadStale } from '../api/overview.ts'
import { Problem } from '../api.ts'
import { choose, chosen, cursor } from '../chosen.ts'
import { facetsOf, parseFilter } from '../filter.ts'
import { count, rate } from '../format.ts'
import { parseSort } from '../order.ts'
import { ChosenBar } from '../parts/chosen-bar.tsx'
import { DevicePanel } from '../parts/device-panel.tsx'
import { asksForStale, focusRow, useRows } from '../parts/device-rows.ts'
import { DeviceTable } from '../parts/device-table.tsx'
import { FilterLine } from '../parts/filter-line.tsx'
import { FirstMessage } from '../parts/first-message.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { query, setQueries, setQuery } from '../router.ts'
import { epoch, figures, fleet, liveState, waitFor } from '../state.ts'
import { words } from '../words.ts'

const searchAfterMs = 250
/** Whether a metric is silent is not on the live socket. */
const staleAgainMs = 5_000
const none: ReadonlySet<string> = new Set()

export function DevicesPage() {
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const asked = query.value
  const filter = asked.get('q') ?? ''
  const sort = parseSort(asked.get('sort'))

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    waitFor(fleet.load(abort.signal)).then(
      () => {
        problem.value = null
      },
      (error: unknown) => {
        if (error instanceof Problem) problem.value = error
      },
    )
    return () => abort.abort()
    // An order by what is live needs that of rows that are not watched, so choosing it reads them again.
  }, [epoch.value, tries.value, ['seen', 'm1', 'm2'].includes(sort.by)])

  useSearch(filter)

  const known = fleet.total.value
  return (
    <div class="list-page">
      <div class="head">
        <h1>{words.devices.title}</h1>
        <Sentence />
      </div>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {known === 0 && problem.value === null ? <FirstMessage /> : null}
      {known === 0 ? null : <List filter={filter} sortText={asked.get('sort')} m1={asked.get('m1') ?? ''} m2={asked.get('m2') ?? ''} />}
    </div>
  )
}

function List({ filter, sortText, m1, m2 }: { filter: string; sortText: string | null; m1: string; m2: string }) {
  const isBusy = useSignal(false)
  const open = query.value.get('open')
  const sort = useMemo(() => parseSort(sortText), [sortText])
  const metrics = useMemo(() => [m1, m2] as const, [m1, m2])
  const described = fleet.described.value
  const facets = useMemo(() => facetsOf(fleet.list.peek()), [described])
  const stale = useStale(asksForStale(filter))
  const rows = useRows({ filter, sort, metrics, facets, stale, isBusy: isBusy.value })
  usePanelKeys(open)

  const onOpen = (deviceId: string, byKey: boolean) => {
    if (byKey && open === deviceId) return false
    setQuery('open', deviceId)
    return true
  }
  return (
    <>
      <FilterLine filter={filter} facets={facets} rows={rows} />
      <div class="list">
        {fleet.list.value.length === 0 ? null : (
          <DeviceTable rows={rows} filter={filter} sort={sort} metrics={metrics} open={open} isBusy={isBusy} onOpen={onOpen} />
        )}
      </div>
      {open === null ? null : <DevicePanel deviceId={open} onClose={() => closePanel(open)} />}
      <ChosenBar />
    </>
  )
}

function closePanel(deviceId: string): void {
  setQuery('open', '')
  focusRow(deviceId)
}

/** `Esc` closes the panel, and without one chooses none. While it is open it follows the row of the keyboard. */
function usePanelKeys(open: string | null): void {
  const latest = useRef(open)
  latest.current = open
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]') !== null) return
      if (event.target instanceof HTMLInputElement && event.target.type !== 'checkbox') return
      if (latest.current !== null) closePanel(latest.current)
      else if (chosen.peek().size > 0) choose([])
      else return
      event.preventDefault()
    }
    addEventListener('keydown', onKey)
    const stopFollowing = cursor.subscribe((id) => {
      if (id !== null && latest.current !== null && latest.current !== id) setQueries({ open: id })
    })
    return () => {
      removeEventListener('keydown', onKey)
      stopFollowing()
    }
  }, [])
  // What was chosen belongs to this page: nobody deletes next week what he marked today.
  useEffect(
    () => () => {
      choose([])
      cursor.value = null
    },
    [],
  )
}

/** Asked for only while the filter wants it. */
function useStale(isWanted: boolean): ReadonlySet<string> {
  const stale = useSignal(none)
  useEffect(() => {
    if (!isWanted || epoch.value === 0) return
    const abort = new AbortController()
    const read = () => {
      loadStale(abort.signal).then(
        (found) => {
          stale.value = found
        },
        () => {}, // the next reading may do better; that the hub is gone is said above
      )
    }
    read()
    const timer = setInterval(() => {
      if (liveState.peek().is === 'live' && !document.hidden) read()
    }, staleAgainMs)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  }, [isWanted, epoch.value])
  return stale.value
}

function Sentence() {
  const text = useComputed(() => {
    const known = fleet.total.value
    if (known === null) return words.devices.reading
    if (known === 0) return words.devices.none
    // While the page holds the whole fleet it counts itself: the figures are up to a second older than the rows.
    const connected = fleet.whole.value ? fleet.connected.value : (figures.value?.connected ?? fleet.connected.value)
    return words.devices.sentence(count(connected), known, count(known), rate(figures.value?.messagesPerSecond ?? 0))
  })
  return <p class="sentence live">{text}</p>
}

/** A fleet that is too large for the page is searched by the hub; what it finds joins the rows. */
function useSearch(filter: string): void {
  const longest = parseFilter(filter).words.reduce((a, b) => (b.length > a.length ? b : a), '')
  useEffect(() => {
    if (longest === '' || fleet.whole.peek()) return
    const abort = new AbortController()
    const timer = setTimeout(() => {
      waitFor(fleet.search(longest, abort.signal)).catch(() => {}) // the rows that are held stay searchable
    }, searchAfterMs)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [longest])
}
