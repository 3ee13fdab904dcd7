// The filter line: it is also the address. Keys and values are completed while it is typed, and what it cannot mean is said below it.
import { type ReadonlySignal, useComputed, useSignal } from '@preact/signals'
import { useId, useRef } from 'preact/hooks'
import { completionAt, type Facets, filterKeys, isEmpty, parseFilter } from '../filter.ts'
import type { Entry } from '../fleet.ts'
import { count } from '../format.ts'
import { query, setQuery } from '../router.ts'
import { fleet } from '../state.ts'
import { words } from '../words.ts'
import { rowMove } from './device-rows.ts'

const statuses = ['online', 'away', 'offline']
const answers = ['yes', 'no']

/** Its options are drawn here: for the browser alone it would be a field without a list. */
export function combobox(list: string, isOpen: boolean, active: string | undefined) {
  return {
    ...({ role: 'combobox', 'aria-autocomplete': 'list', list: undefined } as const),
    ...{ 'aria-expanded': isOpen, 'aria-controls': list, 'aria-activedescendant': active },
  }
}

export function FilterLine({ filter, facets, rows }: { filter: string; facets: Facets; rows: readonly Entry[] }) {
  const input = useRef<HTMLInputElement>(null)
  const isOpen = useSignal(false)
  const cursor = useSignal(0)
  /** -1: none, and Enter goes to the rows. */
  const active = useSignal(-1)
  const id = useId()
  const { from, to, options } = completionAt(filter, cursor.value, facets)
  const shown = isOpen.value && options.length > 0

  const take = (option: string) => {
    const more = option.endsWith(':') ? '' : ' '
    const text = `${filter.slice(0, from)}${option}${more}${filter.slice(to).trimStart()}`
    const at = from + option.length + more.length
    setQuery('q', text)
    cursor.value = at
    active.value = -1
    // At once: the next letter may be typed before the page is drawn again.
    input.current!.value = text
    input.current!.setSelectionRange(at, at)
  }
  const move = (by: number) => {
    active.value = active.value < 0 ? (by > 0 ? 0 : options.length - 1) : (active.value + by + options.length) % options.length
  }

  const onKeyDown = (event: KeyboardEvent) => {
    const { key } = event
    const typed = filter.slice(from, cursor.value)
    const chosen = options[active.value]
    if (shown && (key === 'ArrowDown' || key === 'ArrowUp')) move(key === 'ArrowDown' ? 1 : -1)
    else if (shown && key === 'Escape' && active.value >= 0) active.value = -1
    else if (shown && chosen !== undefined && (key === 'Enter' || key === 'Tab')) take(chosen)
    else if (shown && key === 'Tab' && !event.shiftKey && typed !== '') take(options[0]!)
    else if (key === 'Enter' || key === 'ArrowDown') {
      if (rows.length === 0) return
      dispatchEvent(new CustomEvent(rowMove, { detail: 'first' }))
    } else return
    event.preventDefault()
  }

  return (
    <div class="filter">
      <div class="line">
        <label>
          <span class="hidden">{words.devices.filter}</span>
          <input
            ref={input}
            {...combobox(id, shown, shown && active.value >= 0 ? `${id}-${active.value}` : undefined)}
            type="search"
            value={filter}
            placeholder={words.overview.list.hint}
            spellcheck={false}
            autocomplete="off"
            autocapitalize="none"
            aria-keyshortcuts="/"
            onInput={({ currentTarget }) => {
              setQuery('q', currentTarget.value)
              cursor.value = currentTarget.selectionStart ?? 0
              isOpen.value = true
              active.value = -1
            }}
            onSelect={({ currentTarget }) => {
              cursor.value = currentTarget.selectionStart ?? 0
            }}
            onFocus={() => {
              isOpen.value = true
            }}
            onBlur={() => {
              isOpen.value = false
              active.value = -1
            }}
            onKeyDown={onKeyDown}
          />
          <span class="key" aria-hidden="true">
            /
          </span>
        </label>
        <div class="options" id={id} role="listbox" aria-label={words.overview.list.completions} hidden={!shown}>
          {shown
            ? options.map((option, i) => (
                <div
                  key={option}
                  id={`${id}-${i}`}
                  role="option"
                  tabIndex={-1}
                  aria-selected={i === active.value}
                  onPointerDown={(event) => {
                    event.preventDefault() // the line keeps the keyboard
                    take(option)
                  }}
                >
                  <code>{option}</code>
                </div>
              ))
            : null}
        </div>
      </div>
      <Shown rows={rows} filter={filter} />
      <Misread filter={filter} />
    </div>
  )
}

/** How many there are, where that is not all of them. */
function Shown({ rows, filter }: { rows: readonly Entry[]; filter: string }) {
  const held = fleet.list.value.length
  const known = fleet.total.value ?? 0
  const n = rows.length
  const text = !isEmpty(parseFilter(filter))
    ? words.devices.shown(n, count(n))
    : held < known && !fleet.whole.value
      ? words.devices.partOfFleet(count(held), count(known))
      : ''
  return (
    <p class="quiet" role="status">
      {text}
    </p>
  )
}

/** What of the line is no key, or can never be met. An id may have a colon: what some device bears is no mistake. */
function Misread({ filter }: { filter: string }) {
  const text: ReadonlySignal<string> = useComputed(() => {
    const { strangers, impossible } = parseFilter(query.value.get('q') ?? '')
    const { list } = words.overview
    const lost = strangers.find((word) => !fleet.list.value.some(({ id, name }) => `${id}\n${name.peek()}`.toLowerCase().includes(word)))
    const said = impossible.map(({ key, value }) => list.impossible(key, value, key === 'status' ? statuses : answers))
    return [...(lost === undefined ? [] : [list.stranger(lost, filterKeys)]), ...said].join(' ')
  })
  return text.value === '' || filter === '' ? null : (
    <p class="misread" role="status">
      <i class="shape warn" />
      {text}
    </p>
  )
}
