// The tags of one device: each can be taken away, a new one is typed as name:value.
import { useSignal } from '@preact/signals'
import { describeDevice } from '../api/overview.ts'
import { Problem } from '../api.ts'
import type { Entry } from '../fleet.ts'
import { may } from '../me.ts'
import { fleet } from '../state.ts'
import { words } from '../words.ts'

const { panel } = words.overview

/** `site:north` as a name and a value; null when it is none. The hub has the last word on both. */
export function readTag(text: string): readonly [name: string, value: string] | null {
  const [, name, value] = /^\s*([^:\s]+)\s*:\s*(.*?)\s*$/.exec(text) ?? []
  return name === undefined || value === undefined ? null : [name, value]
}

export function TagEditor({ entry }: { entry: Entry }) {
  const said = useSignal('')
  const problem = useSignal('')
  const tags = entry.tags.value
  const change = async (name: string, value: string | null) => {
    try {
      fleet.take(await describeDevice(entry.id, { tags: { [name]: value } }))
      problem.value = ''
      if (value !== null) said.value = ''
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error.message
    }
  }
  const onSubmit = (event: Event) => {
    event.preventDefault()
    const tag = readTag(said.value)
    if (tag === null) problem.value = panel.tagInvalid
    else void change(...tag)
  }
  const names = Object.keys(tags).sort()
  return (
    <div class="tag-editor">
      <h3>{panel.tags}</h3>
      {names.length === 0 ? <p class="quiet">{panel.noTags}</p> : null}
      <ul aria-label={panel.tags}>
        {names.map((name) => (
          <li key={name}>
            <span>
              <span class="quiet">{name}:</span> {tags[name]}
            </span>
            {may('admin') ? (
              <button type="button" aria-label={panel.removeTag(`${name}:${tags[name]}`)} onClick={() => change(name, null)}>
                ×
              </button>
            ) : null}
          </li>
        ))}
      </ul>
      {may('admin') ? (
        <form onSubmit={onSubmit}>
          <input
            aria-label={panel.addTag}
            placeholder={panel.tagHint}
            value={said}
            spellcheck={false}
            autocomplete="off"
            autocapitalize="none"
            aria-invalid={problem.value !== ''}
            onInput={({ currentTarget }) => {
              said.value = currentTarget.value
            }}
          />
          <button type="submit">{panel.add}</button>
        </form>
      ) : null}
      <p role="alert" class="problem">
        {problem.value === '' ? null : (
          <>
            <i class="shape bad" />
            {problem.value}
          </>
        )}
      </p>
    </div>
  )
}
