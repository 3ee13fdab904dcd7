// mooring twin: what a device reports of its state, what its state should be, and how that came about.
import { countIn, define, exitCodes, type Group, say, type Terminal, UsageError } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { tagIn } from './devices.ts'
import { textOfFile } from './files.ts'
import { groupOption } from './groups.ts'
import { columnsOf, jsonOption, print, printList, screenWidthOf } from './print.ts'
import { type Cell, tableOf } from './table.ts'
import { sinceIn, timeOf } from './times.ts'

type State = Readonly<Record<string, unknown>>

interface Twin {
  readonly device: string
  readonly twin: string
  readonly version: number
  readonly at: number
  readonly desired: State
  readonly reported: State
  readonly delta: State
  readonly times?: { readonly desired: State; readonly reported: State }
}

interface Step {
  readonly version: number
  readonly at: number
  readonly part: string
  readonly by: string | null
  readonly patch: State
}

interface Difference {
  readonly from: { readonly version: number; readonly at: number }
  readonly to: { readonly version: number; readonly at: number }
  readonly desired: State
  readonly reported: State
}

interface Outcome {
  readonly device: string
  readonly detail?: string
}

interface Outcomes {
  readonly changed: number
  readonly unchanged: number
  readonly refused: number
  readonly outcomes: readonly Outcome[]
}

/** What the hub gives at a time. */
const pageMax = 1000
/** Refusals that are named. */
const sentencesShown = 20

const twinOption = { type: 'string', value: 'NAME', says: 'the twin of this name; else the one without' } as const

const show = define({
  summary: 'what is desired of a device, and what it reports',
  operands: ['ID'],
  about: 'What differs is marked: it is desired, and not so, or not yet.',
  options: {
    twin: twinOption,
    at: { type: 'string', value: 'TIME', says: 'as it was: 2h for two hours ago, ISO 8601 or Unix ms' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 there is none or the hub did not answer, ',
  async run(values, [id = ''], terminal) {
    const at = values.at === undefined ? '' : `?at=${sinceIn('at', values.at)}`
    const twin = await askJson<Twin>(values, { method: 'GET', path: `${pathOf(id, values.twin)}${at}`, signal: terminal.signal })
    const { desired, reported, delta, times } = twin
    const [wanted, said, open] = [leavesOf(desired), leavesOf(reported), leavesOf(delta)]
    const [desiredAt, reportedAt] = [leavesOf(times?.desired ?? {}), leavesOf(times?.reported ?? {})]
    const rows = [...new Set([...wanted.keys(), ...said.keys()])]
      .toSorted()
      .map((path): Cell[] => [
        path,
        shown(wanted.get(path)),
        shown(said.get(path)),
        open.has(path) ? 'differs' : null,
        timeOf(desiredAt.get(path) as number | undefined),
        timeOf(reportedAt.get(path) as number | undefined),
      ])
    const columns = columnsOf('state', 'desired', 'reported', '', 'desired at', 'reported at')
    const code = await printList(terminal, values, twin, { columns, rows })
    if (values.json !== true) say(terminal, `version ${twin.version}${twin.version === 0 ? '' : ` of ${timeOf(twin.at)}`}.`)
    return code
  },
})

const set = define({
  summary: 'change what is desired, of a device or of many',
  operands: ['[ID]', '[PATH=VALUE…]'],
  about: `PATH is of names with dots between them; VALUE is JSON, or else text; without one it is taken away:
mooring twin set pump-7 valve.open=true mode=auto limit=. A device that is away is told when it comes.`,
  options: {
    patch: { type: 'string', value: 'FILE|JSON', says: 'a merge patch (RFC 7396), or a file of it; null takes all away' },
    twin: twinOption,
    'if-version': { type: 'string', value: 'N', says: 'only if this is its version still' },
    group: groupOption,
    type: { type: 'string', value: 'TYPE', says: 'devices of this type' },
    tag: { type: 'string', multiple: true, value: 'NAME=VALUE', says: 'devices with this tag; may repeat' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not changed, 3 some are, and others were refused, ',
  async run(values, operands, terminal) {
    const { group, type, tag } = values
    const isOfMany = group !== undefined || type !== undefined || tag !== undefined
    const [id, words] = isOfMany || operands[0]?.includes('=') === true ? [undefined, operands] : [operands[0], operands.slice(1)]
    if ((id !== undefined) === isOfMany) throw new UsageError('say the ID of a device, or --group, --type or --tag')
    const desired = await patchIn(values.patch, words)
    if (id === undefined) return setMany(values, { group, type, tag, desired }, terminal)
    const headers = values['if-version'] === undefined ? {} : { 'if-match': `"${countIn('if-version', values['if-version'])}"` }
    const body = JSON.stringify({ desired })
    const twin = await askJson<Twin>(values, { method: 'PATCH', path: pathOf(id, values.twin), headers, body, signal: terminal.signal })
    if (values.json === true) await print(terminal, `${JSON.stringify(twin)}\n`)
    else {
      const open = [...leavesOf(twin.delta).keys()]
      say(
        terminal,
        `${id} has the version ${twin.version}; ${open.length === 0 ? 'all of it is reported' : `not yet so: ${open.join(', ')}`}.`,
      )
    }
    return exitCodes.done
  },
})

async function setMany(
  values: Parameters<typeof askJson>[0] & {
    readonly twin: string | undefined
    readonly json: boolean | undefined
    readonly 'if-version': string | undefined
  },
  {
    group,
    type,
    tag,
    desired,
  }: { group: string | undefined; type: string | undefined; tag: readonly string[] | undefined; desired: unknown },
  terminal: Terminal,
): Promise<number> {
  if (values['if-version'] !== undefined) throw new UsageError('--if-version is for one device')
  const tags = tag?.map(tagIn).map(([name, value]) => `${name}:${value}`)
  const body = JSON.stringify({ group, type, tag: tags, twin: values.twin, desired })
  const answer = await askJson<Outcomes>(values, { method: 'POST', path: '/v1/twins', body, signal: terminal.signal })
  const { changed, unchanged, refused, outcomes } = answer
  if (values.json === true) await print(terminal, `${JSON.stringify(answer)}\n`)
  for (const { device, detail } of outcomes.filter((one) => one.detail !== undefined).slice(0, sentencesShown))
    say(terminal, `${device}: ${detail}`)
  if (refused > sentencesShown) say(terminal, `… and ${refused - sentencesShown} more.`)
  say(terminal, `${changed} changed, ${unchanged} were so already, ${refused} refused.`)
  return refused === 0 ? exitCodes.done : exitCodes.partly
}

const history = define({
  summary: 'the versions of a twin, the newest first',
  operands: ['ID'],
  about: 'Each with who changed it, and what: a merge patch. Nobody stands there for the device itself.',
  options: {
    twin: twinOption,
    limit: { type: 'string', value: 'N', default: '20', says: 'at most so many (20)' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 there is none or the hub did not answer, ',
  async run(values, [id = ''], terminal) {
    const most = countIn('limit', values.limit)
    const versions: Step[] = []
    for (let before: number | null | undefined; before !== null && versions.length < most; ) {
      const query = new URLSearchParams({ limit: `${Math.min(pageMax, most - versions.length)}` })
      if (before !== undefined) query.set('before', `${before}`)
      const path = `${pathOf(id, values.twin)}/versions?${query}`
      const page = await askJson<{ versions: readonly Step[]; next: number | null }>(values, {
        method: 'GET',
        path,
        signal: terminal.signal,
      })
      versions.push(...page.versions)
      before = page.next
    }
    const rows = versions.map(({ version, at, part, by, patch }) => [version, timeOf(at), part, by, JSON.stringify(patch)])
    return printList(terminal, values, { versions }, { columns: columnsOf('version', 'at', 'part', 'by', 'change'), rows })
  },
})

const diff = define({
  summary: 'what changed between two times',
  operands: ['ID'],
  about: 'What there is at the later time, where it was different at the earlier one.',
  options: {
    twin: twinOption,
    from: { type: 'string', value: 'TIME', default: '24h', says: 'the earlier one: 2h for two hours ago, ISO 8601 or Unix ms (24h)' },
    to: { type: 'string', value: 'TIME', says: 'the later one; now when left out' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not known or the hub did not answer, ',
  async run(values, [id = ''], terminal) {
    const query = new URLSearchParams({ from: `${sinceIn('from', values.from)}` })
    if (values.to !== undefined) query.set('to', `${sinceIn('to', values.to)}`)
    const path = `${pathOf(id, values.twin)}/diff?${query}`
    const difference = await askJson<Difference>(values, { method: 'GET', path, signal: terminal.signal })
    if (values.json === true) {
      await print(terminal, `${JSON.stringify(difference)}\n`)
      return exitCodes.done
    }
    const rows = (['desired', 'reported'] as const).flatMap((part) =>
      [...leavesOf(difference[part])].map(([leaf, value]) => [part, leaf, value === null ? '(removed)' : shown(value)]),
    )
    await print(terminal, tableOf({ columns: columnsOf('part', 'state', 'now'), rows }, screenWidthOf(terminal)))
    say(terminal, `from version ${difference.from.version} to version ${difference.to.version}.`)
    return exitCodes.done
  },
})

function pathOf(id: string, twin: string | undefined): string {
  const device = `/v1/devices/${encodeURIComponent(id)}`
  return twin === undefined ? `${device}/twin` : `${device}/twins/${encodeURIComponent(twin)}`
}

/** By their paths. */
function leavesOf(state: State, above = ''): Map<string, unknown> {
  const leaves = new Map<string, unknown>()
  for (const [name, value] of Object.entries(state)) {
    const path = `${above}${name}`
    const isInner = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
    if (!isInner) leaves.set(path, value)
    else for (const [inner, leaf] of leavesOf(value as State, `${path}.`)) leaves.set(inner, leaf)
  }
  return leaves
}

function shown(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

/** Errors: `UsageError`, `CommandError`. */
async function patchIn(said: string | undefined, words: readonly string[]): Promise<unknown> {
  if ((said === undefined) === (words.length === 0)) throw new UsageError('say what is desired: PATH=VALUE, or --patch')
  if (said === undefined) return patchOf(words)
  const isJson = /^\s*(\{|null\s*$)/.test(said)
  const text = isJson ? said : await textOfFile(said)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${isJson ? '--patch' : said} is not JSON: ${(error as Error).message}`)
  }
}

/** Errors: `UsageError`. */
function patchOf(words: readonly string[]): object {
  const root = new Map<string, unknown>()
  for (const word of words) {
    const [, path, text] = /^([^=]+)=(.*)$/s.exec(word) ?? []
    if (path === undefined || text === undefined) throw new UsageError(`it takes PATH=VALUE, and not ${word}`)
    const names = path.split('.')
    const last = names.pop()!
    let inner = root
    for (const name of names) {
      const next = inner.get(name)
      const deeper = next instanceof Map ? next : new Map<string, unknown>()
      inner.set(name, deeper)
      inner = deeper
    }
    inner.set(last, valueIn(text))
  }
  return objectOf(root)
}

function objectOf(members: ReadonlyMap<string, unknown>): object {
  return Object.fromEntries([...members].map(([name, value]) => [name, value instanceof Map ? objectOf(value) : value]))
}

function valueIn(text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export const twinGroup: Group = {
  summary: 'desired and reported state of devices: show, set, history, diff',
  commands: { show, set, history, diff },
  standard: 'show',
}
