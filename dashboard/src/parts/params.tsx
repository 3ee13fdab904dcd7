// The parameters of a command: as fields, or as JSON where fields do not do.
import type { Signal } from '@preact/signals'
import { commandsWords } from '../words/commands.ts'

export interface Param {
  readonly name: string
  readonly value: string
}

const paramsMax = 32
const { ask: says } = commandsWords

/** A text is JSON. */
export function Params({ params }: { params: Signal<readonly Param[] | string> }) {
  const { value } = params
  const isJson = typeof value === 'string'
  const change = (to: boolean) => {
    if (to === isJson) return
    const given = paramsIn(value)
    params.value = to ? JSON.stringify(given ?? {}, null, 2) : fieldsOf(given)
  }
  return (
    <fieldset class="params">
      <legend>{says.params}</legend>
      <div class="choice">
        {[false, true].map((is) => (
          <button key={String(is)} type="button" aria-pressed={isJson === is} onClick={() => change(is)}>
            {is ? says.asJson : says.asFields}
          </button>
        ))}
      </div>
      {isJson ? (
        <textarea
          rows={5}
          value={value}
          aria-label={says.params}
          spellcheck={false}
          onInput={(event) => {
            params.value = event.currentTarget.value
          }}
        />
      ) : (
        <Fields fields={value} onChange={(next) => (params.value = next)} />
      )}
    </fieldset>
  )
}

function Fields({ fields, onChange }: { fields: readonly Param[]; onChange: (fields: readonly Param[]) => void }) {
  const set = (at: number, change: Partial<Param>) => onChange(fields.map((one, i) => (i === at ? { ...one, ...change } : one)))
  return (
    <>
      {fields.map(({ name, value }, i) => (
        <div key={i} class="pairs">
          <input
            value={name}
            placeholder={says.param}
            aria-label={says.paramAt(i + 1)}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => set(i, { name: event.currentTarget.value })}
          />
          <input
            value={value}
            placeholder={says.value}
            aria-label={says.valueAt(i + 1)}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => set(i, { value: event.currentTarget.value })}
          />
        </div>
      ))}
      {fields.length >= paramsMax ? null : (
        <button type="button" class="link" onClick={() => onChange([...fields, { name: '', value: '' }])}>
          {says.addParam}
        </button>
      )}
    </>
  )
}

/** What they say as JSON; undefined where a text is none. A value that is no JSON is text: `auto`, and `1200` is a number. */
export function paramsIn(params: readonly Param[] | string): unknown {
  if (typeof params === 'string') return parsed(params.trim() === '' ? '{}' : params)
  return Object.fromEntries(params.filter(({ name }) => name !== '').map(({ name, value }) => [name, parsed(value) ?? value]))
}

function fieldsOf(given: unknown): readonly Param[] {
  const entries = typeof given === 'object' && given !== null && !Array.isArray(given) ? Object.entries(given) : []
  const fields = entries.map(([name, value]) => ({ name, value: typeof value === 'string' ? value : JSON.stringify(value) }))
  return fields.length === 0 ? [{ name: '', value: '' }] : fields
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
