// Things that are chosen, one after the other: each can be taken away, and what may follow is completed while it is typed.
import { useSignal } from '@preact/signals'
import { useId, useRef } from 'preact/hooks'
import { exploreWords } from '../../words/explore.ts'
import { combobox } from '../filter-line.tsx'

export interface Option {
  readonly value: string
  readonly text: string
  readonly note?: string
}

interface PickerProps {
  readonly label: string
  readonly add: string
  readonly hint: string
  readonly listLabel: string
  readonly chosen: readonly Option[]
  /** What may be added, the most likely first; at most ten are shown. */
  readonly optionsFor: (text: string) => readonly Option[]
  readonly onText?: (text: string) => void
  readonly onAdd: (value: string) => void
  readonly onRemove: (value: string) => void
  /** `/` comes here. */
  readonly isFirst?: boolean
}

const optionsMax = 10

export function Picker({ label, add, hint, listLabel, chosen, optionsFor, onText, onAdd, onRemove, isFirst }: PickerProps) {
  const input = useRef<HTMLInputElement>(null)
  const text = useSignal('')
  const isOpen = useSignal(false)
  const active = useSignal(-1)
  const id = useId()
  const held = new Set(chosen.map(({ value }) => value))
  const options = isOpen.value
    ? optionsFor(text.value.trim())
        .filter(({ value }) => !held.has(value))
        .slice(0, optionsMax)
    : []
  const isShown = options.length > 0

  const type = (typed: string) => {
    text.value = typed
    active.value = -1
    isOpen.value = true
    onText?.(typed.trim())
  }
  const take = (value: string) => {
    if (value.endsWith(':')) return type(value) // the beginning of a way to choose
    type('')
    onAdd(value)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const { key } = event
    const typed = text.value.trim()
    if (isShown && (key === 'ArrowDown' || key === 'ArrowUp')) {
      const by = key === 'ArrowDown' ? 1 : -1
      active.value = active.value < 0 ? (by > 0 ? 0 : options.length - 1) : (active.value + by + options.length) % options.length
    } else if (key === 'Enter' && (typed !== '' || active.value >= 0)) {
      take(options[active.value]?.value ?? options.find(({ value }) => value === typed)?.value ?? options[0]?.value ?? typed)
    } else if (isShown && key === 'Escape') isOpen.value = false
    else if (key === 'Backspace' && text.value === '' && chosen.length > 0) onRemove(chosen.at(-1)!.value)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <div class="picker">
      <span class="quiet" id={`${id}-label`}>
        {label}
      </span>
      <ul aria-labelledby={`${id}-label`}>
        {chosen.map(({ value, text: name }) => (
          <li key={value}>
            <code>{name}</code>
            <button type="button" aria-label={exploreWords.remove(name)} onClick={() => onRemove(value)}>
              ×
            </button>
          </li>
        ))}
      </ul>
      <div class="adding">
        <input
          ref={input}
          type={isFirst === true ? 'search' : 'text'}
          {...combobox(`${id}-list`, isShown, active.value < 0 ? undefined : `${id}-${active.value}`)}
          aria-label={add}
          aria-keyshortcuts={isFirst === true ? '/' : undefined}
          placeholder={hint}
          value={text}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="none"
          onInput={(event) => type(event.currentTarget.value)}
          onFocus={() => (isOpen.value = true)}
          onClick={() => (isOpen.value = true)}
          onBlur={() => (isOpen.value = false)}
          onKeyDown={onKeyDown}
        />
        <div class="options" role="listbox" id={`${id}-list`} aria-label={listLabel} hidden={!isShown}>
          {options.map((option, at) => (
            <div
              key={option.value}
              id={`${id}-${at}`}
              role="option"
              tabIndex={-1}
              aria-selected={at === active.value}
              // Before the field loses the focus, and with it the list.
              onMouseDown={(event) => {
                event.preventDefault()
                take(option.value)
              }}
            >
              {option.text}
              {option.note === undefined ? null : <span class="quiet">{option.note}</span>}
            </div>
          ))}
        </div>
      </div>
    </div>
  )
}
