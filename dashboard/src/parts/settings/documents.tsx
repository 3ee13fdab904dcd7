// Roles, types and groups are documents: shown as tables, written as JSON, since people paste them. What the hub refuses stands below.
import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { type DocumentKind, putDocument, removeDocument } from '../../api/settings.ts'
import { Problem } from '../../api.ts'
import { settingsWords } from '../../words/settings.ts'
import { Confirm } from '../confirm.tsx'
import { ProblemNotice } from '../notice.tsx'
import { useAsking } from './asking.ts'

const { documents: said } = settingsWords

/** One that is edited: without a name it is a new one, and the body an example. */
interface Edited {
  readonly name: string
  readonly body: unknown
}

export interface Tools {
  edit(name: string, body: unknown): void
  remove(name: string): void
}

interface Props<Item> {
  readonly kind: DocumentKind
  readonly title: string
  readonly add: string
  readonly removeSays: string
  /** What a new one may look like. */
  readonly example: unknown
  readonly load: (abort: AbortSignal) => Promise<readonly Item[]>
  readonly show: (items: readonly Item[], tools: Tools) => ComponentChildren
}

export function Documents<Item>({ kind, title, add, removeSays, example, load, show }: Props<Item>) {
  const items = useSignal<readonly Item[] | null>(null)
  const edited = useSignal<Edited | null>(null)
  const removed = useSignal('')
  const { problem, reading } = useAsking(kind, async (abort) => {
    items.value = await load(abort)
  })
  const tools: Tools = {
    edit: (name, body) => {
      edited.value = { name, body }
    },
    remove: (name) => {
      removed.value = name
    },
  }
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={reading.again} />}
      {items.value === null ? null : show(items.value, tools)}
      {items.value === null ? null : (
        <div class="below">
          <button type="button" onClick={() => tools.edit('', example)}>
            {add}
          </button>
        </div>
      )}
      {edited.value === null ? null : <Editor kind={kind} title={add} edited={edited} onSaved={reading.again} />}
      {removed.value === '' ? null : (
        <Confirm
          title={said.removeTitle(removed.value)}
          says={removeSays}
          text={removed.value}
          submit={said.removeDo}
          act={async () => {
            await removeDocument(kind, removed.value)
            reading.again()
          }}
          onClose={() => {
            removed.value = ''
          }}
        />
      )}
    </section>
  )
}

interface EditorProps {
  readonly kind: DocumentKind
  readonly title: string
  readonly edited: Signal<Edited | null>
  readonly onSaved: () => void
}

function Editor({ kind, title, edited, onSaved }: EditorProps) {
  const { name, body } = edited.value!
  const dialog = useRef<HTMLDialogElement>(null)
  const area = useRef<HTMLTextAreaElement>(null)
  const field = useRef<HTMLInputElement>(null)
  const problem = useSignal('')
  useEffect(() => dialog.current?.showModal(), [])
  const save = async (event: Event) => {
    event.preventDefault()
    try {
      await putDocument(kind, field.current?.value.trim() ?? name, documentIn(area.current!.value))
      onSaved()
      dialog.current?.close()
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error.message
      area.current?.focus()
    }
  }
  const heading = name === '' ? title : said.editOf(name)
  return (
    <dialog
      ref={dialog}
      class="asks wide"
      aria-label={heading}
      onClose={() => {
        edited.value = null
      }}
    >
      <h2>{heading}</h2>
      <form class="ask" onSubmit={save}>
        {name === '' ? (
          <label>
            {said.name}
            <input ref={field} required autocomplete="off" spellcheck={false} maxLength={128} />
          </label>
        ) : null}
        <textarea ref={area} rows={16} spellcheck={false} aria-label={said.json(name)} defaultValue={JSON.stringify(body, null, 2)} />
        <p role="alert" class="problem">
          {problem.value === '' ? null : <i class="shape bad" />}
          {problem.value}
        </p>
        <div class="tools">
          <button type="submit" class="main">
            {settingsWords.save}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {settingsWords.cancel}
          </button>
        </div>
      </form>
    </dialog>
  )
}

/** Errors: `Problem` of what is no JSON; all else is for the hub to say. */
function documentIn(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Problem('request-invalid', `${said.notJson} ${(cause as Error).message}`, { cause })
  }
  if (typeof value === 'object' && value !== null) return value
  throw new Problem('request-invalid', said.notObject)
}

/** The two things one may do to each. */
export function DocumentTools({ name, body, tools }: { name: string; body: unknown; tools: Tools }) {
  return (
    <>
      <button type="button" aria-label={said.editOf(name)} onClick={() => tools.edit(name, body)}>
        {settingsWords.edit}
      </button>
      <button type="button" aria-label={said.removeOf(name)} onClick={() => tools.remove(name)}>
        {settingsWords.remove}
      </button>
    </>
  )
}
