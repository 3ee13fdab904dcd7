// Where a person says what is desired: one leaf of the kind it has, or a new one at a path.
import { useSignal } from '@preact/signals'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import type { Twin } from '../../api/twin.ts'
import { Problem } from '../../api.ts'
import { twinWords } from '../../words/twin.ts'
import { type Desired, desire } from './desire.ts'
import { patchOf, removalOf } from './leaves.ts'

type Kind = 'boolean' | 'number' | 'text' | 'json'

interface LeafProps {
  readonly deviceId: string
  readonly twin: Twin
  readonly path: readonly string[]
  /** Undefined where nothing is desired yet. */
  readonly value: unknown
  readonly onChanged: (twin: Twin) => void
  readonly onEnd: () => void
}

export function LeafForm({ deviceId, twin, path, value, onChanged, onEnd }: LeafProps) {
  const field = useRef<HTMLInputElement & HTMLSelectElement>(null)
  // What was seen when the change began: whoever desires something after that was faster.
  const seen = useRef(twin)
  const kind = useRef(kindOf(value)).current
  const first = useRef(value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)).current
  const { problem, ask } = useDesire(onChanged, seen)
  const id = useId()
  useLayoutEffect(() => {
    field.current?.focus()
    if (kind !== 'boolean') field.current?.select()
  }, [])

  const save = async (event: Event) => {
    event.preventDefault()
    const wanted = value === undefined ? guessed(field.current!.value) : read(field.current!.value, kind)
    if (wanted instanceof Error) problem.value = wanted.message
    else if (await ask(() => desire(deviceId, seen.current, patchOf(path, wanted)))) onEnd()
  }
  const remove = async () => {
    if (await ask(() => desire(deviceId, seen.current, removalOf(seen.current.desired, path)))) onEnd()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return
    event.stopPropagation()
    onEnd()
  }
  const label = twinWords.twin.value(path.join('.'))
  return (
    <form class="leaf" onSubmit={save} onKeyDown={onKeyDown}>
      {kind === 'boolean' ? (
        <select ref={field} aria-label={label} defaultValue={first}>
          <option value="true">true</option>
          <option value="false">false</option>
        </select>
      ) : (
        <input
          ref={field}
          aria-label={label}
          defaultValue={first}
          inputMode={kind === 'number' ? 'decimal' : 'text'}
          spellcheck={false}
          autocomplete="off"
          aria-invalid={problem.value !== ''}
          aria-describedby={id}
        />
      )}
      <button type="submit" class="main">
        {twinWords.twin.save}
      </button>
      <button type="button" onClick={onEnd}>
        {twinWords.twin.cancel}
      </button>
      {value === undefined ? null : (
        <button type="button" onClick={remove}>
          {twinWords.twin.remove}
        </button>
      )}
      <Said id={id} sentence={problem.value} />
    </form>
  )
}

export function AddLeaf({ deviceId, twin, onChanged }: Omit<LeafProps, 'path' | 'value' | 'onEnd'>) {
  const isOpen = useSignal(false)
  const path = useRef<HTMLInputElement>(null)
  const value = useRef<HTMLInputElement>(null)
  const seen = useRef(twin)
  const id = useId()
  const { problem, ask } = useDesire(onChanged, seen)
  const { twin: said } = twinWords
  useLayoutEffect(() => {
    if (isOpen.value) path.current?.focus()
  }, [isOpen.value])

  const add = async (event: Event) => {
    event.preventDefault()
    const names = path.current!.value.trim().split('.')
    if (names.includes('')) problem.value = said.noPath
    else if (await ask(() => desire(deviceId, seen.current, patchOf(names, guessed(value.current!.value))))) isOpen.value = false
  }
  if (!isOpen.value)
    return (
      <button
        type="button"
        onClick={() => {
          seen.current = twin
          problem.value = ''
          isOpen.value = true
        }}
      >
        {said.add}
      </button>
    )
  return (
    <form class="leaf" onSubmit={add} aria-describedby={id}>
      <input ref={path} aria-label={said.addPath} placeholder={said.addPath} required spellcheck={false} autocapitalize="none" />
      <input ref={value} aria-label={said.addValue} placeholder={said.addValue} required spellcheck={false} autocapitalize="none" />
      <button type="submit" class="main">
        {said.want}
      </button>
      <button
        type="button"
        onClick={() => {
          isOpen.value = false
        }}
      >
        {said.cancel}
      </button>
      <Said id={id} sentence={problem.value} />
    </form>
  )
}

function Said({ id, sentence }: { id: string; sentence: string }) {
  return (
    <p id={id} role="alert" class="problem">
      {sentence === '' ? null : (
        <>
          <i class="shape bad" />
          {sentence}
        </>
      )}
    </p>
  )
}

/** After a conflict the newer one is what is seen: saved again, it is overwritten knowingly. */
function useDesire(onChanged: (twin: Twin) => void, seen: { current: Twin }) {
  const problem = useSignal('')
  const sending = useRef(false)
  const ask = async (change: () => Promise<Desired>): Promise<boolean> => {
    if (sending.current) return false
    sending.current = true
    problem.value = ''
    try {
      const answer = await change()
      onChanged(answer.twin)
      seen.current = answer.twin
      if (answer.is === 'conflict') problem.value = answer.sentence
      return answer.is === 'done'
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error.message
      return false
    } finally {
      sending.current = false
    }
  }
  return { problem, ask }
}

function kindOf(value: unknown): Kind {
  if (typeof value === 'boolean' || typeof value === 'number') return typeof value as 'boolean' | 'number'
  return value === undefined || typeof value === 'string' ? 'text' : 'json'
}

/** The kind of a leaf is kept: a device that reads a number gets a number. */
function read(text: string, kind: Kind): unknown {
  const { notNumber, notJson } = twinWords.twin
  if (kind === 'text') return text
  if (kind === 'boolean') return text === 'true'
  if (kind === 'number') return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : new Error(notNumber)
  const value = jsonIn(text)
  return value === undefined ? new Error(notJson) : value
}

/** Of a new leaf: JSON where it is JSON, else text. */
export function guessed(text: string): unknown {
  return jsonIn(text) ?? text
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
