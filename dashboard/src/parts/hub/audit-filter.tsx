// Which entries of the audit log are shown. The choice is the address, so that a link shows the same.
import type { AuditChoice } from '../../api/hub.ts'
import { auditExport } from '../../api/hub.ts'
import { fieldTime } from '../../format.ts'
import { query, setQueries, setQuery } from '../../router.ts'
import { hubWords } from '../../words/hub.ts'

const { audit: said } = hubWords

/** As the address says it; a time that is none is left out. */
export function choiceOf(asked: URLSearchParams): AuditChoice {
  const time = (name: string) => (/^\d{1,15}$/.test(asked.get(name) ?? '') ? asked.get(name)! : '')
  return { who: asked.get('who') ?? '', action: asked.get('action') ?? '', from: time('from'), to: time('to') }
}

export function isAll({ who, action, from, to }: AuditChoice): boolean {
  return `${who}${action}${from}${to}` === ''
}

/** `known`: what those that are shown have, to choose from. */
export function AuditFilter({ known }: { known: { readonly who: readonly string[]; readonly action: readonly string[] } }) {
  const choice = choiceOf(query.value)
  return (
    <search class="audit-filter" aria-label={said.title}>
      {(['who', 'action'] as const).map((name) => (
        <label key={name}>
          {said[name]}
          <input
            value={choice[name]}
            list={`audit-${name}`}
            placeholder={said[`${name}Hint`]}
            autocomplete="off"
            spellcheck={false}
            onChange={(event) => setQuery(name, event.currentTarget.value.trim())}
          />
          <datalist id={`audit-${name}`}>
            {known[name].map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </label>
      ))}
      {(['from', 'to'] as const).map((name) => (
        <label key={name}>
          {said[name]}
          <input
            type="datetime-local"
            step="1"
            value={choice[name] === '' ? '' : fieldTime(Number(choice[name]))}
            onChange={(event) => setQuery(name, timeIn(event.currentTarget.value, name))}
          />
        </label>
      ))}
      {isAll(choice) ? null : (
        <button type="button" onClick={() => setQueries({ who: '', action: '', from: '', to: '' })}>
          {said.clear}
        </button>
      )}
      <span class="exports">
        <a class="button" href={auditExport(choice, 'csv')} download="">
          {said.csv}
        </a>
        <a class="button" href={auditExport(choice, 'ndjson')} download="">
          {said.ndjson}
        </a>
      </span>
    </search>
  )
}

/** The last second of a span belongs to it whole. */
function timeIn(text: string, name: 'from' | 'to'): string {
  const at = new Date(text).getTime()
  return Number.isNaN(at) ? '' : String(name === 'to' ? at + 999 : at)
}
