// Something done to all chosen devices: what exactly, whether it is meant, how far it is.
import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { commandDevices, deleteDevice, describeDevice, kickDevice } from '../api/overview.ts'
import { Problem } from '../api.ts'
import { choose, chosen } from '../chosen.ts'
import { askEach, type Outcome } from '../each.ts'
import { count } from '../format.ts'
import { fleet } from '../state.ts'
import { words } from '../words.ts'
import { Field, type Said } from './form.tsx'
import { readTag } from './tag-editor.tsx'

export type Deed = 'addTag' | 'removeTag' | 'command' | 'kick' | 'remove'

type Step =
  | { readonly is: 'asked'; readonly problem: string }
  | { readonly is: 'running' | 'over'; readonly outcome: Outcome }
  | { readonly is: 'sent'; readonly targets: number }

const nothingYet: Outcome = { done: 0, refused: [], refusedCount: 0 }
const { chosen: said } = words.overview

export function ManyDialog({ deed, devices, onClose }: { deed: Deed; devices: readonly string[]; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const step = useSignal<Step>({ is: 'asked', problem: '' })
  const abort = useMemo(() => new AbortController(), [])
  // Those of the moment it was opened: the choice may change below it.
  const meant = useMemo(() => devices, [])
  useEffect(() => {
    dialog.current?.showModal()
    dialog.current?.querySelector('input')?.focus()
    return () => abort.abort()
  }, [])

  const run = async (form: Said) => {
    try {
      if (deed === 'command') {
        const { targets } = await commandDevices(meant, form('name').trim(), paramsIn(form('params')))
        step.value = { is: 'sent', targets }
        return
      }
      const ask = askOf(deed, form)
      step.value = { is: 'running', outcome: nothingYet }
      const outcome = await askEach(meant, ask, abort.signal, (so) => {
        step.value = { is: 'running', outcome: so }
      })
      step.value = { is: 'over', outcome }
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      step.value = { is: 'asked', problem: error.message }
    }
  }

  /** Who is deleted is chosen no more; who was refused still is. */
  const onClosed = () => {
    choose([...chosen.peek()].filter((id) => fleet.find(id) !== undefined))
    onClose()
  }

  const { value } = step
  const all = said.of(meant.length, count(meant.length))
  return (
    <dialog ref={dialog} class="many" aria-labelledby="many-title" onClose={onClosed}>
      <h2 id="many-title">{said.dialogs[deed](meant.length === 1 ? meant[0]! : all)}</h2>
      {value.is === 'asked' ? (
        <Question deed={deed} devices={meant} problem={value.problem} onSay={run} onCancel={() => dialog.current?.close()} />
      ) : (
        <>
          <p role="status">
            {value.is === 'sent' ? said.sent(said.of(value.targets, count(value.targets))) : progressText(value, meant.length)}
          </p>
          {value.is === 'sent' ? null : <Refused outcome={value.outcome} />}
          <p class="tools">
            {value.is === 'running' ? (
              <button type="button" onClick={() => abort.abort()}>
                {said.stop}
              </button>
            ) : (
              <button type="button" class="main" ref={(button) => button?.focus()} onClick={() => dialog.current?.close()}>
                {said.close}
              </button>
            )}
          </p>
        </>
      )}
    </dialog>
  )
}

/** Errors: `Problem`, before anything is asked of the hub. */
function askOf(deed: Exclude<Deed, 'command'>, form: Said): (device: string) => Promise<unknown> {
  switch (deed) {
    case 'addTag': {
      const tag = readTag(form('tag'))
      if (tag === null) throw new Problem('tag', words.overview.panel.tagInvalid)
      return async (device) => fleet.take(await describeDevice(device, { tags: { [tag[0]]: tag[1] } }))
    }
    case 'removeTag': {
      const name = form('tag')
      return async (device) => fleet.take(await describeDevice(device, { tags: { [name]: null } }))
    }
    case 'kick':
      return kickDevice
    case 'remove':
      return async (device) => {
        await deleteDevice(device)
        fleet.forget([device])
      }
  }
}

/** Errors: `Problem`. */
function paramsIn(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem('params', said.paramsInvalid, { cause })
  }
}

function progressText({ is, outcome }: { readonly is: 'running' | 'over'; readonly outcome: Outcome }, all: number): string {
  const asked = outcome.done + outcome.refusedCount
  if (is === 'running') return said.progress(count(asked), count(all))
  return asked < all ? said.stopped(count(asked), count(all)) : said.finished(outcome.done, count(outcome.done))
}

function Refused({ outcome: { refused, refusedCount } }: { outcome: Outcome }) {
  if (refusedCount === 0) return null
  return (
    <div class="refused" role="alert">
      <p>
        <i class="shape bad" />
        {said.failed(refusedCount, count(refusedCount))}
      </p>
      <ul>
        {refused.map(({ device, problem }) => (
          <li key={device}>
            <code>{device}</code> {problem.message} <code class="quiet">{problem.code}</code>
          </li>
        ))}
      </ul>
    </div>
  )
}

interface QuestionProps {
  readonly deed: Deed
  readonly devices: readonly string[]
  readonly problem: string
  readonly onSay: (said: Said) => void
  readonly onCancel: () => void
}

function Question({ deed, devices, problem, onSay, onCancel }: QuestionProps) {
  const confirmed = useSignal('')
  // One device by its id; many by what is done and to how many.
  const isGrave = deed === 'kick' || deed === 'remove' || (deed === 'command' && devices.length > 1)
  const phrase = devices.length === 1 ? devices[0]! : said.of(devices.length, String(devices.length))
  const isMeant = !isGrave || confirmed.value.trim() === phrase
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault()
    if (!isMeant) return
    const entries = new FormData(event.currentTarget as HTMLFormElement)
    onSay((name) => String(entries.get(name) ?? ''))
  }
  return (
    <form class="ask" onSubmit={onSubmit}>
      <p class="quiet">{said.leads[deed]}</p>
      {deed === 'addTag' ? <Field label={said.tag} name="tag" placeholder={words.overview.panel.tagHint} autocomplete="off" /> : null}
      {deed === 'removeTag' ? <TagChoice devices={devices} /> : null}
      {deed === 'command' ? (
        <>
          <Field label={said.name} name="name" autocomplete="off" />
          <Field label={said.params} name="params" required={false} placeholder={said.paramsHint} autocomplete="off" />
        </>
      ) : null}
      {isGrave ? (
        <Field
          label={said.confirm(phrase)}
          name="confirm"
          autocomplete="off"
          onInput={({ currentTarget }) => {
            confirmed.value = currentTarget.value
          }}
        />
      ) : null}
      <p role="alert" class="problem">
        {problem === '' ? null : (
          <>
            <i class="shape bad" />
            {problem}
          </>
        )}
      </p>
      <p class="tools">
        <button type="submit" class={deed === 'remove' || deed === 'kick' ? 'main grave' : 'main'} aria-disabled={!isMeant}>
          {said.submit[deed]}
        </button>
        <button type="button" onClick={onCancel}>
          {said.cancel}
        </button>
      </p>
    </form>
  )
}

/** Names of tags that any of them has. */
function TagChoice({ devices }: { devices: readonly string[] }) {
  const names = useMemo(() => {
    const found = new Set<string>()
    for (const id of devices) for (const name of Object.keys(fleet.find(id)?.tags.peek() ?? {})) found.add(name)
    return [...found].sort()
  }, [])
  return (
    <label>
      {said.tag}
      <select name="tag" required>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  )
}
