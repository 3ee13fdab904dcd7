// The keyboard: what each key does on every page, and the list of them.
import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { may, viewer } from '../me.ts'
import { go, route } from '../router.ts'
import { words } from '../words.ts'
import { rowMove } from './device-rows.ts'
import { type RangeKey, rangeKeys, rangePressed } from './range-bar.tsx'

export const keysShown = signal(false)
export const paletteShown = signal(false)

/** Fired at the window: the page of a device puts the keyboard where a command is typed. */
export const commandPressed = 'command-key'

/** Two keys in a row, as in `g d`, may be this far apart. */
const chordMs = 1_200
let chordUntilMs = 0

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    if (viewer.peek().is !== 'in') return // there is no page to go to
    if (event.key === 'k' && event.metaKey !== event.ctrlKey && !event.altKey && !event.shiftKey) {
      event.preventDefault() // it is the browser's own search in some
      if (document.querySelector('dialog[open]') === null) paletteShown.value = true
      return
    }
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return
    const { target } = event
    if (isTypedInto(target)) {
      if (event.key === 'Escape') target.blur()
      return
    }
    if (keysShown.peek()) return // the dialog has the keyboard
    if (onKey(event.key)) event.preventDefault()
  })
}

/** A box to tick has no use for letters. */
function isTypedInto(target: EventTarget | null): target is HTMLElement {
  if (target instanceof HTMLInputElement) return target.type !== 'checkbox'
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement
}

export function KeysDialog() {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (keysShown.value) dialog.current?.showModal()
  }, [keysShown.value])
  if (!keysShown.value) return null
  return (
    <dialog
      ref={dialog}
      aria-labelledby="keys-title"
      onClose={() => {
        keysShown.value = false
      }}
    >
      <h2 id="keys-title">{words.keys.title}</h2>
      <dl>
        {words.keys.list.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              {keys.split(/\s+/).map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">{words.keys.close}</button>
      </form>
    </dialog>
  )
}

/** Returns whether the key meant something. */
function onKey(key: string): boolean {
  const chord = performance.now() < chordUntilMs
  chordUntilMs = 0
  if (chord && key === 'o') return may('devices') && goTo('/')
  if (chord && key === 'm') return may('devices') && goTo('/messages')
  if (chord && key === 'c') return may('devices') && goTo('/commands')
  if (chord && key === 'e') return may('devices') && goTo('/explore')
  if (chord && key === 'd') return may('devices') && goTo('/devices')
  if (chord && key === 'h') return may('hub') && goTo('/hub')
  if (chord && key === 's') return may('admin') && goTo('/settings')
  if (chord && key === 'a') return goTo('/account')
  const { page } = route.peek()
  if ((page === 'device' || page === 'explore') && rangeKeys.includes(key as RangeKey))
    return dispatchEvent(new CustomEvent(rangePressed, { detail: key }))
  if (page === 'device' && key === 'c') return dispatchEvent(new CustomEvent(commandPressed))
  switch (key) {
    case 'g':
      chordUntilMs = performance.now() + chordMs
      return true
    case '/':
      return focusFilter()
    case 'j':
    case 'k':
      return dispatchEvent(new CustomEvent(rowMove, { detail: key === 'j' ? 1 : -1 }))
    case '?':
      keysShown.value = true
      return true
    default:
      return false
  }
}

function goTo(path: string): boolean {
  go(path)
  return true
}

function focusFilter(): boolean {
  if (document.querySelector('main input[type=search]') !== null)
    selectFilter() // at once: the next key may already be its first letter
  else {
    go('/devices')
    requestAnimationFrame(selectFilter)
  }
  return true
}

function selectFilter(): void {
  const input = document.querySelector<HTMLInputElement>('input[type=search]')
  input?.focus()
  input?.select()
}
