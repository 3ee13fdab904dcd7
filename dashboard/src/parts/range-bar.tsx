// What chooses the time range of the charts: buttons, a form for any other, and the keys that do the same.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { dateTime, fieldTime } from '../format.ts'
import { narrower, queryOf, rangeNames, shifted, spanOf, still, type View, viewOf, wider } from '../range.ts'
import { query, setQueries } from '../router.ts'
import { hubNow } from '../state.ts'
import { words } from '../words.ts'

export const rangeKeys = ['t', '[', ']', '-', '+', '='] as const
export type RangeKey = (typeof rangeKeys)[number]

/** Fired at the window with one of these keys. */
export const rangePressed = 'range-key'

/**
 * What was shown before each zoom, so that there is a way back. Another range chosen by name begins anew.
 * Each step goes out from what the address says now: of two keys in a row the second comes before the page has followed the first.
 */
export class Trail {
  #views: View[] = []

  zoom(to: View): void {
    this.#views.push(viewNow())
    show(to)
  }

  narrow(): void {
    this.zoom(narrower(viewNow(), hubNow()))
  }

  choose(view: View): void {
    this.#views = []
    show(view)
  }

  /** Sideways; the way back stays. */
  move(direction: -1 | 1): void {
    show(shifted(viewNow(), direction, hubNow()))
  }

  back(): void {
    show(this.#views.pop() ?? wider(viewNow(), hubNow()))
  }
}

export function RangeBar({ view, trail }: { view: View; trail: Trail }) {
  const asked = useSignal(false)
  const pressed = useRef<HTMLButtonElement>(null)
  const { device } = words

  useEffect(() => {
    const onKey = (event: Event) => {
      switch (event instanceof CustomEvent ? event.detail : '') {
        case 't':
          return pressed.current?.focus()
        case '[':
          return trail.move(-1)
        case ']':
          return trail.move(1)
        case '-':
          return trail.back()
        case '+':
        case '=':
          return trail.narrow()
      }
    }
    addEventListener(rangePressed, onKey)
    return () => removeEventListener(rangePressed, onKey)
  }, [trail])

  return (
    <div class="ranges">
      <fieldset class="choice">
        <legend class="hidden">{device.range}</legend>
        {rangeNames.map((name) => {
          const chosen = view.is === 'live' && view.name === name
          return (
            <button
              key={name}
              type="button"
              ref={chosen || (view.is === 'still' && name === rangeNames[0]) ? pressed : null}
              aria-pressed={chosen}
              onClick={() => trail.choose({ is: 'live', name })}
            >
              {device.ranges[name]}
            </button>
          )
        })}
      </fieldset>
      <button
        type="button"
        class="span"
        title={device.customTitle}
        aria-expanded={asked.value}
        aria-pressed={view.is === 'still'}
        onClick={() => {
          asked.value = !asked.value
        }}
      >
        {view.is === 'still' ? device.span(dateTime(view.fromMs), dateTime(view.toMs)) : device.custom}
      </button>
      <span class="moves">
        <button type="button" aria-label={device.earlier} title={device.earlier} onClick={() => trail.move(-1)}>
          ‹
        </button>
        <button type="button" aria-label={device.later} title={device.later} disabled={view.is === 'live'} onClick={() => trail.move(1)}>
          ›
        </button>
        <button type="button" title={device.backTitle} disabled={view.is === 'live' && view.name === '1y'} onClick={() => trail.back()}>
          {device.back}
        </button>
      </span>
      {asked.value ? (
        <CustomRange
          view={view}
          onShow={(chosen) => {
            asked.value = false
            trail.choose(chosen)
          }}
        />
      ) : null}
    </div>
  )
}

function CustomRange({ view, onShow }: { view: View; onShow: (view: View) => void }) {
  const { fromMs, toMs } = spanOf(view, hubNow())
  const from = useRef<HTMLInputElement>(null)
  const to = useRef<HTMLInputElement>(null)
  return (
    <form
      class="custom"
      onSubmit={(event) => {
        event.preventDefault()
        onShow(still(Date.parse(from.current!.value), Date.parse(to.current!.value)))
      }}
    >
      <label>
        {words.device.from} <input ref={from} type="datetime-local" step="1" required defaultValue={fieldTime(fromMs)} />
      </label>
      <label>
        {words.device.to} <input ref={to} type="datetime-local" step="1" required defaultValue={fieldTime(toMs)} />
      </label>
      <button type="submit">{words.device.show}</button>
    </form>
  )
}

function viewNow(): View {
  return viewOf(query.peek())
}

/** Without a new history entry: Back leads to the list, not through a hundred zooms. */
function show(view: View): void {
  setQueries(queryOf(view))
}
