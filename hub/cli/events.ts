// mooring events: what has happened to devices, and what happens to them now.
import { countIn, define, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { follow, type MessageSink } from './follow.ts'
import type { MessageFrame } from './message-line.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import { type Cell, visible } from './table.ts'
import { sinceIn, timeOf } from './times.ts'

interface DeviceEvent {
  readonly device: string
  readonly at: number
  readonly kind: string
  readonly name: string
  readonly body: unknown
}

/** What the hub gives at a time. */
const pageMax = 1000

export const eventsCommand = define({
  summary: 'what has happened to devices',
  operands: ['[DEVICE]'],
  about: `Devices that came and went, and why; metrics that fell silent; and what devices themselves call an event, which they tell on
devices/ID/events/NAME. The newest first. Times are UTC. With --follow the newest come last, and then each as it happens, until Ctrl-C.`,
  options: {
    kind: { type: 'string', value: 'KIND', says: 'presence, freshness, or event: what devices tell themselves' },
    name: { type: 'string', value: 'NAME', says: 'of this name, such as offline, stale, or how a device calls it' },
    since: { type: 'string', value: 'WHEN', says: 'from then on: a stretch before now such as 1d, or a time of ISO 8601' },
    limit: { type: 'string', value: 'N', default: '100', says: 'at most so many (100)' },
    follow: { type: 'boolean', says: 'go on with what happens from now on' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 the hub did not answer, ',
  async run(values, [device], terminal) {
    const { kind, name, since, limit } = values
    const most = countIn('limit', limit)
    if (values.follow === true) {
      if (since !== undefined) throw new UsageError('--follow begins with the newest --limit; --since is for a list')
      const query = new URLSearchParams([...filtersOf(device ?? '+', kind, name).map((filter) => ['filter', filter]), ['last', `${most}`]])
      const sink = new EventLines(terminal, values.json === true, name)
      await follow(values, `/v1/messages?${query}`, sink, terminal.signal)
      return exitCodes.done
    }
    const query = new URLSearchParams()
    if (kind !== undefined) query.set('kind', kind)
    if (name !== undefined) query.set('name', name)
    if (since !== undefined) query.set('from', `${sinceIn('since', since)}`)
    const path = device === undefined ? '/v1/timeline' : `/v1/devices/${encodeURIComponent(device)}/events`
    const events: DeviceEvent[] = []
    let next: number | null | undefined
    while (next !== null && events.length < most) {
      query.set('limit', `${Math.min(pageMax, most - events.length)}`)
      if (next !== undefined) query.set('after', `${next}`)
      const page = await askJson<{ events: readonly DeviceEvent[]; next: number | null }>(values, {
        method: 'GET',
        path: `${path}?${query}`,
        signal: terminal.signal,
      })
      events.push(...page.events)
      next = page.next
    }
    const rows = events.map(({ at, device: of, kind: is, name: called, body }): Cell[] => [timeOf(at), of, is, called, detailOf(is, body)])
    const columns = columnsOf('at', 'device', 'kind', 'name', 'detail')
    const code = await printList(terminal, values, { events, next }, { columns, rows })
    if (next !== null) say(terminal, 'there are older ones; --limit shows more.')
    return code
  },
})

/** Where the hub and the devices tell of what happens. */
function filtersOf(device: string, kind: string | undefined, name: string | undefined): string[] {
  const filters: Readonly<Record<string, string>> = {
    presence: `devices/${device}/presence`,
    freshness: `devices/${device}/freshness`,
    event: `devices/${device}/events/${kind === 'event' && name !== undefined ? name : '+'}`,
  }
  if (kind === undefined) return Object.values(filters)
  const filter = filters[kind]
  if (filter === undefined) throw new UsageError(`--kind is ${Object.keys(filters).join(', ')}, not ${kind}`)
  return [filter]
}

/** Why it is not connected, or over which wire it is; of others, what was said. */
function detailOf(kind: string, body: unknown): string {
  if (kind !== 'presence') return typeof body === 'string' ? body : JSON.stringify(body)
  const { at, reason = '', wire = '', address = '' } = body as Readonly<Record<string, string>>
  return at === 'online' ? [reason, `by ${wire} from ${address}`].filter((text) => text !== '').join(', ') : reason
}

class EventLines implements MessageSink {
  readonly #terminal: Terminal
  readonly #isJson: boolean
  readonly #name: string | undefined
  isDone = false

  constructor(terminal: Terminal, isJson: boolean, name: string | undefined) {
    this.#terminal = terminal
    this.#isJson = isJson
    this.#name = name
  }

  say(sentence: string): void {
    say(this.#terminal, sentence)
  }

  async take(frame: MessageFrame): Promise<void> {
    const event = eventOf(frame)
    if (this.#name !== undefined && event.name !== this.#name) return
    const { at, device, kind, name, body } = event
    const text = this.#isJson ? JSON.stringify(event) : `${timeOf(at)}  ${device}  ${kind} ${name}  ${detailOf(kind, body)}`
    this.isDone = !(await print(this.#terminal, `${this.#isJson ? text : visible(text)}\n`))
  }
}

function eventOf({ topic, at, payload, text }: MessageFrame): DeviceEvent {
  const [, device = '', kind = '', called = ''] = topic.split('/')
  const body = payload === undefined ? text : payload
  const said = body as { readonly at?: string; readonly is?: string }
  if (kind === 'presence') return { device, at, kind, name: said.at ?? '', body }
  if (kind === 'freshness') return { device, at, kind, name: said.is ?? '', body }
  return { device, at, kind: 'event', name: called, body }
}
