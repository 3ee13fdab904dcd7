// Devices: how many there are, a filter that is also the address, and the table.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { Problem } from '../api.ts'
import { count, rate } from '../format.ts'
import { isSortKey, matches, parseFilter } from '../order.ts'
import { DeviceTable } from '../parts/device-table.tsx'
import { FirstMessage } from '../parts/first-message.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { query, setQuery } from '../router.ts'
import { epoch, figures, fleet, waitFor } from '../state.ts'
import { words } from '../words.ts'

const searchAfterMs = 250

export function DevicesPage() {
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const filter = query.value.get('q') ?? ''
  const sortAsked = query.value.get('sort')
  const sort = isSortKey(sortAsked) ? sortAsked : 'device'

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
    // Order by time needs the times of rows that are not watched, so choosing it reads them again.
  }, [epoch.value, tries.value, sort === 'seen'])

  useSearch(filter)

  const known = fleet.total.value
  return (
    <>
      <div class="head">
        <h1>{words.devices.title}</h1>
        <Sentence />
      </div>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {known === 0 && problem.value === null ? <FirstMessage /> : null}
      {known === 0 ? null : (
        <>
          <FilterLine filter={filter} />
          {fleet.list.value.length > 0 ? <DeviceTable filter={filter} sort={sort} /> : null}
        </>
      )}
    </>
  )
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

function FilterLine({ filter }: { filter: string }) {
  const shown = useComputed(() => {
    fleet.version.value
    const held = fleet.list.value
    const wanted = parseFilter(query.value.get('q') ?? '')
    if (wanted.words.length > 0 || wanted.connected !== null) {
      const n = held.filter((entry) => matches(entry, wanted)).length
      return words.devices.shown(n, count(n))
    }
    const known = fleet.total.value ?? 0
    return held.length < known && !fleet.whole.value ? words.devices.partOfFleet(count(held.length), count(known)) : ''
  })
  return (
    <div class="filter">
      <label>
        <span class="hidden">{words.devices.filter}</span>
        <input
          type="search"
          value={filter}
          placeholder={words.devices.filterHint}
          spellcheck={false}
          autocomplete="off"
          aria-keyshortcuts="/"
          onInput={(event) => setQuery('q', event.currentTarget.value)}
        />
        <span class="key" aria-hidden="true">
          /
        </span>
      </label>
      <p class="quiet" role="status">
        {shown}
      </p>
    </div>
  )
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
