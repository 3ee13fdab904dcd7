// The palette: one line that finds a device, a page or a thing to do, without a hand leaving the keyboard.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { type ListedDevice, loadDevices, Problem } from '../api.ts'
import { count } from '../format.ts'
import type { Match } from '../fuzzy.ts'
import { fleet } from '../state.ts'
import { paletteWords as says } from '../words/palette.ts'
import { State } from './cells.tsx'
import { type Found, find, type Row, rowsMax } from './palette-rows.ts'

/** Typing goes on while the hub is asked; it is asked once the fingers rest. */
const restMs = 150
const pageRows = 10

export function Palette({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const typed = useSignal('')
  const chosenId = useSignal('')
  const asked = useAsked(typed.value)
  const rows = find(typed.value, asked.devices)
  const chosen = Math.max(
    rows.findIndex(({ row }) => row.id === chosenId.value),
    0,
  )
  useEffect(() => dialog.current?.showModal(), [])
  useEffect(() => {
    dialog.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' })
  }, [rows[chosen]?.row.id, typed.value])

  const act = (row: Row | undefined) => {
    if (row === undefined) return
    dialog.current?.close() // first: it gives the keyboard back to where it was, and what follows may move it
    row.act()
  }
  const move = (by: number) => {
    const next = Math.min(Math.max(chosen + by, 0), rows.length - 1)
    chosenId.value = rows[next]?.row.id ?? ''
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: pageRows, PageUp: -pageRows }
    const step = steps[event.key]
    if (step !== undefined) move(Math.abs(step) === 1 && rows.length > 0 ? wrapped(chosen, step, rows.length) : step)
    else if (event.key === 'Enter') act(rows[chosen]?.row)
    else return
    event.preventDefault()
  }
  return (
    <dialog ref={dialog} class="palette" aria-label={says.label} onClose={onClose} closedby="any">
      <input
        type="text"
        role="combobox"
        aria-label={says.label}
        aria-expanded={rows.length > 0}
        aria-controls="palette-rows"
        aria-autocomplete="list"
        aria-activedescendant={rows.length > 0 ? `palette-row-${chosen}` : undefined}
        placeholder={says.hint}
        autocomplete="off"
        spellcheck={false}
        onKeyDown={onKeyDown}
        onInput={(event) => {
          typed.value = event.currentTarget.value
          chosenId.value = ''
        }}
      />
      <div id="palette-rows" role="listbox" aria-label={says.results}>
        {rows.map((found, i) => (
          <Option
            key={found.row.id}
            id={`palette-row-${i}`}
            found={found}
            isChosen={i === chosen}
            onPoint={() => {
              chosenId.value = found.row.id
            }}
            onTake={() => act(found.row)}
          />
        ))}
      </div>
      {asked.problem === null ? null : (
        <p class="quiet" role="alert">
          {asked.problem.message} <code>{asked.problem.code}</code>
        </p>
      )}
      <p class={rows.length === 0 && asked.problem === null ? 'quiet' : 'hidden'} role="status">
        {rows.length > 0 ? says.found(rows.length, count(rows.length)) : asked.isAsking ? says.searching : says.none(typed.value)}
      </p>
    </dialog>
  )
}

/** From the last to the first and back. */
function wrapped(at: number, step: number, length: number): number {
  return ((at + step + length) % length) - at
}

interface OptionProps {
  readonly id: string
  readonly found: Found
  readonly isChosen: boolean
  readonly onPoint: () => void
  readonly onTake: () => void
}

function Option({ id, found: { row, text, more }, isChosen, onPoint, onTake }: OptionProps) {
  return (
    // The keyboard stays in the line above: it names the option that is meant.
    // biome-ignore lint/a11y/useFocusableInteractive: by aria-activedescendant
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox has the keys
    <div id={id} role="option" aria-selected={isChosen} onPointerMove={onPoint} onClick={onTake}>
      <span class="kind">{says.kinds[row.kind]}</span>
      <span class="name">
        <Marked text={row.text} match={text} />
        {row.more === undefined ? null : (
          <code>
            <Marked text={row.more} match={more} />
          </code>
        )}
      </span>
      {row.device === undefined ? null : <State entry={row.device} />}
      {row.keys === undefined ? null : (
        <span class="keys" aria-hidden="true">
          {row.keys.split(' ').map((key) => (
            <kbd key={key}>{key}</kbd>
          ))}
        </span>
      )}
    </div>
  )
}

/** The letters that were typed stand out. */
function Marked({ text, match }: { text: string; match: Match | null }) {
  if (match === null) return text
  const meant = new Set(match.letters)
  const pieces: { from: number; text: string; isMeant: boolean }[] = []
  for (let i = 0; i < text.length; i++) {
    const last = pieces.at(-1)
    if (last?.isMeant === meant.has(i)) last.text += text[i]
    else pieces.push({ from: i, text: text[i]!, isMeant: meant.has(i) })
  }
  return <>{pieces.map((piece) => (piece.isMeant ? <mark key={piece.from}>{piece.text}</mark> : piece.text))}</>
}

interface Asked {
  readonly isAsking: boolean
  readonly devices: readonly ListedDevice[]
  readonly problem: Problem | null
}

const nothing: Asked = { isAsking: false, devices: [], problem: null }

/** What the hub finds, as long as it has devices that the page does not hold. */
function useAsked(typed: string): Asked {
  const asked = useSignal(nothing)
  const search = typed.trim()
  const isWhole = fleet.whole.value
  useEffect(() => {
    if (isWhole || search === '') {
      asked.value = nothing
      return
    }
    const abort = new AbortController()
    asked.value = { ...asked.peek(), isAsking: true, problem: null }
    const timer = setTimeout(async () => {
      try {
        const { devices } = await loadDevices({ limit: rowsMax, search }, abort.signal)
        asked.value = { isAsking: false, devices, problem: null }
      } catch (error) {
        if (abort.signal.aborted) return
        if (!(error instanceof Problem)) throw error
        asked.value = { isAsking: false, devices: [], problem: error }
      }
    }, restMs)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [search, isWhole])
  return asked.value
}
