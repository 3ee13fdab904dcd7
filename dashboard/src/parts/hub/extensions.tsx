// What extends this hub, and how each of its handlers does.
import { useSignal } from '@preact/signals'
import { type Extension, loadExtensions } from '../../api/hub.ts'
import { count } from '../../format.ts'
import { hubWords } from '../../words/hub.ts'
import { CopyButton } from '../copy.tsx'
import { useReading } from '../device/reading.ts'
import { ProblemNotice } from '../notice.tsx'

const againMs = 10_000
const { extensions: said } = hubWords
const looks = { 'setting-up': 'state warn', ready: 'state ok', failed: 'state bad' } as const

export function Extensions() {
  const extensions = useSignal<readonly Extension[] | null>(null)
  const reading = useReading('extensions', againMs, async (abort) => {
    extensions.value = await loadExtensions(abort)
  })
  const { value } = extensions
  return (
    <section aria-label={said.title}>
      <h2>{said.title}</h2>
      {reading.problem.value === null ? null : <ProblemNotice problem={reading.problem.value} again={reading.again} />}
      {value === null ? null : value.length === 0 ? (
        <div class="advice">
          <p class="quiet">{said.none}</p>
          <p>
            <code>{said.line}</code> <CopyButton text={said.line} what={said.title} />
          </p>
        </div>
      ) : (
        value.map((extension) => <One key={extension.name} extension={extension} />)
      )}
    </section>
  )
}

function One({ extension: { name, state, error, handlers } }: { extension: Extension }) {
  const { columns } = said
  return (
    <>
      <h3 class="extension">
        <code>{name}</code>{' '}
        <span class={looks[state]}>
          <i class={state === 'failed' ? 'shape bad' : 'shape'} />
          {said.states[state]}
        </span>{' '}
        {error === null ? null : <span class="quiet">{error}</span>}
      </h3>
      {handlers.length === 0 ? (
        <p class="empty">{said.noHandlers}</p>
      ) : (
        <table class="plain stacked" aria-label={said.table(name)}>
          <thead>
            <tr>
              <th scope="col">{columns.what}</th>
              {(['calls', 'running', 'failures', 'late', 'dropped'] as const).map((column) => (
                <th key={column} scope="col" class="number">
                  {columns[column]}
                </th>
              ))}
              <th scope="col" class="number">
                {columns.holds}
              </th>
            </tr>
          </thead>
          <tbody>
            {handlers.map((handler) => (
              <tr key={handler.what}>
                <th scope="row">
                  <code>{handler.what}</code>
                </th>
                {(['calls', 'running', 'failures', 'late', 'dropped'] as const).map((column) => (
                  <td key={column} data-label={columns[column]} class="number live">
                    {count(handler[column])}
                  </td>
                ))}
                <td data-label={columns.holds} class="number live">
                  {handler.holds === 0 ? '0' : said.holds(count(handler.holds), count(handler.longestHoldMs))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  )
}
