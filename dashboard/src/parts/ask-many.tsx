// One command to many devices: whom it reaches is counted before it is sent, and the number is typed.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { askMany, type Bulk, countTargets, loadChoices, type Targets } from '../api/commands.ts'
import { Problem } from '../api.ts'
import { count } from '../format.ts'
import { commandsWords } from '../words/commands.ts'
import { Confirm } from './confirm.tsx'
import { Field } from './form.tsx'
import { type Param, Params, paramsIn } from './params.tsx'

const { ask: says } = commandsWords
const countAfterMs = 250
const concurrencyStandard = '100'
const deadlineStandard = '86400'

interface Wanted {
  readonly name: string
  readonly params: unknown
  readonly until: object | undefined
  readonly expiresInSeconds: number
  readonly concurrency: number
}

export function AskMany({ onAsked }: { onAsked: (bulk: Bulk) => void }) {
  const byIds = useSignal(false)
  const group = useSignal('')
  const type = useSignal('')
  const tags = useSignal('')
  const ids = useSignal('')
  const choices = useSignal<{ readonly groups: readonly string[]; readonly types: readonly string[] }>({ groups: [], types: [] })
  const reached = useSignal<number | null>(null)
  const problem = useSignal('')
  const params = useSignal<readonly Param[] | string>([{ name: '', value: '' }])
  const withUntil = useSignal(false)
  const confirming = useSignal<{ readonly targets: Targets; readonly command: Wanted } | null>(null)

  useEffect(() => {
    const abort = new AbortController()
    loadChoices(abort.signal).then(
      (found) => {
        choices.value = found
      },
      () => {}, // tags and ids can be typed without
    )
    return () => abort.abort()
  }, [])

  const targets = targetsIn({ byIds: byIds.value, ids: ids.value, group: group.value, type: type.value, tags: tags.value })
  useEffect(() => {
    reached.value = null
    problem.value = ''
    if (targets === null) return
    const abort = new AbortController()
    const timer = setTimeout(() => {
      countTargets(targets, abort.signal).then(
        (n) => {
          reached.value = n
        },
        (error: unknown) => {
          if (error instanceof Problem) problem.value = error.message
        },
      )
    }, countAfterMs)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [JSON.stringify(targets)])

  const onSubmit = (event: Event) => {
    event.preventDefault()
    const entries = new FormData(event.currentTarget as HTMLFormElement)
    const said = (name: string) => String(entries.get(name) ?? '')
    const given = paramsIn(params.value)
    if (given === undefined) {
      problem.value = says.notJson
      return
    }
    if (targets === null || reached.value === null || reached.value === 0) return
    const until = withUntil.value ? { metric: said('metric'), [said('comparison')]: boundIn(said('bound')) } : undefined
    const times = { expiresInSeconds: Number(said('deadline')), concurrency: Number(said('concurrency')) }
    confirming.value = { targets, command: { name: said('name'), params: given, until, ...times } }
  }

  const n = reached.value
  return (
    <>
      <form class="ask" onSubmit={onSubmit}>
        <fieldset class="choice">
          <legend class="hidden">{says.who}</legend>
          {[false, true].map((is) => (
            <button
              key={String(is)}
              type="button"
              aria-pressed={byIds.value === is}
              onClick={() => {
                byIds.value = is
              }}
            >
              {is ? says.byIds : says.byChoice}
            </button>
          ))}
        </fieldset>
        {byIds.value ? (
          <Text label={says.ids} value={ids} hint={says.idsHint} />
        ) : (
          <div class="pairs">
            <Choice label={says.group} value={group} of={choices.value.groups} />
            <Choice label={says.type} value={type} of={choices.value.types} />
            <Text label={says.tags} value={tags} hint={says.tagsHint} />
          </div>
        )}
        <p role="status" class="reaches">
          {targets === null ? says.choose : n === null ? ' ' : n === 0 ? says.reachesNone : says.reaches(n, count(n))}
        </p>
        <Field label={says.name} name="name" autocomplete="off" maxLength={64} />
        <Params params={params} />
        <div class="pairs">
          <label>
            {says.deadline}
            <select name="deadline">
              {Object.entries(says.deadlines).map(([seconds, text]) => (
                <option key={seconds} value={seconds} selected={seconds === deadlineStandard}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          <Field label={says.concurrency} name="concurrency" type="number" min={1} defaultValue={concurrencyStandard} />
        </div>
        <label class="inline">
          <input
            type="checkbox"
            checked={withUntil.value}
            onChange={(event) => {
              withUntil.value = event.currentTarget.checked
            }}
          />
          {says.until}
        </label>
        {withUntil.value ? (
          <div class="pairs three">
            <Field label={says.metric} name="metric" autocomplete="off" />
            <label>
              {says.comparison}
              <select name="comparison">
                {Object.entries(says.comparisons).map(([name, text]) => (
                  <option key={name} value={name}>
                    {text}
                  </option>
                ))}
              </select>
            </label>
            <Field label={says.bound} name="bound" autocomplete="off" />
          </div>
        ) : null}
        <p role="alert" class="problem">
          {problem.value === '' ? null : <i class="shape bad" />}
          {problem}
        </p>
        <button type="submit" class="main" disabled={n === null || n === 0}>
          {n === null || n === 0 ? says.submitNone : says.submit(count(n))}
        </button>
      </form>
      {confirming.value === null ? null : (
        <Confirm
          title={says.confirmTitle}
          says={says.confirmSays(confirming.value.command.name, count(n ?? 0))}
          text={String(n)}
          submit={says.confirmSubmit}
          act={async () => {
            const { targets: to, command } = confirming.value!
            onAsked(await askMany(to, command))
          }}
          onClose={() => {
            confirming.value = null
          }}
        />
      )}
    </>
  )
}

function Text({ label, value, hint }: { label: string; value: { value: string }; hint: string }) {
  return (
    <label>
      {label}
      <input
        value={value.value}
        placeholder={hint}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        onInput={(event) => {
          value.value = event.currentTarget.value
        }}
      />
    </label>
  )
}

function Choice({ label, value, of }: { label: string; value: { value: string }; of: readonly string[] }) {
  return (
    <label>
      {label}
      <select
        value={value.value}
        onChange={(event) => {
          value.value = event.currentTarget.value
        }}
      >
        <option value="">{says.any}</option>
        {of.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

/** Null while nothing is chosen: a command to every device has to be asked for by something. */
function targetsIn(asked: { byIds: boolean; ids: string; group: string; type: string; tags: string }): Targets | null {
  const listed = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '')
  if (asked.byIds) {
    const devices = listed(asked.ids)
    return devices.length === 0 ? null : { devices }
  }
  const tag = listed(asked.tags)
  if (asked.group === '' && asked.type === '' && tag.length === 0) return null
  return {
    ...(asked.group === '' ? {} : { group: asked.group }),
    ...(asked.type === '' ? {} : { type: asked.type }),
    ...(tag.length === 0 ? {} : { tag }),
  }
}

function boundIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
