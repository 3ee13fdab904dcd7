// What the messages page asks of the hub: the tail, what is retained, to publish.
import { get, onLoggedOut, Problem, send } from '../api.ts'
import { words } from '../words.ts'

export interface RetainedMessage {
  readonly topic: string
  readonly payload?: unknown
  readonly text?: string
  readonly base64?: string
  readonly qos: number
  readonly at: number
}

export interface RetainedPage {
  readonly messages: readonly RetainedMessage[]
  /** The value for `after`, null on the last page. */
  readonly next: string | null
}

export interface Publication {
  readonly topic: string
  readonly text: string
  readonly qos: number
  readonly retain: boolean
}

export interface TailListener {
  /** `now` by the hub's clock: what is older is history. */
  onWelcome(now: number): void
  /** The frame of a message, as text. */
  onMessage(frame: string): void
}

/** As large as the hub lets one page be. */
export const retainedPage = 1_000

export function loadRetained(filter: string, after: string | undefined, limit: number, signal: AbortSignal): Promise<RetainedPage> {
  const parameters = new URLSearchParams({ filter, limit: String(limit) })
  if (after !== undefined) parameters.set('after', after)
  return get<RetainedPage>(`/v1/retained?${parameters}`, signal)
}

export function publish(message: Publication): Promise<unknown> {
  return send('POST', '/v1/publish', message)
}

/** Nothing retained of a topic is what an empty retained message leaves. */
export function clearRetained(topic: string): Promise<unknown> {
  return publish({ topic, text: '', qos: 1, retain: true })
}

/**
 * Follows a filter until the signal is aborted or the stream ends; the newest `last` messages come first.
 * By `fetch` and not `EventSource`, which hides the hub's reason when it refuses.
 * Errors: `Problem`, `unreachable` when the wire broke.
 */
export async function follow(filter: string, last: number, listener: TailListener, signal: AbortSignal): Promise<void> {
  const parameters = new URLSearchParams({ filter, last: String(last), retained: 'false' })
  try {
    const response = await fetch(`/v1/messages?${parameters}`, { signal, headers: { accept: 'text/event-stream' } })
    if (!response.ok || response.body === null) throw await problemOf(response)
    await read(response.body, listener)
  } catch (error) {
    if (signal.aborted || error instanceof Problem) throw error
    throw new Problem('unreachable', words.problem.unreachable, { cause: error })
  }
}

/** Server-sent events as this hub writes them: lines end with a newline, an event has one line of data. */
async function read(body: ReadableStream<Uint8Array<ArrayBuffer>>, listener: TailListener): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    const events = (rest + chunk.value).split('\n\n')
    rest = events.pop()!
    for (const event of events) onEvent(event, listener)
  }
}

function onEvent(event: string, listener: TailListener): void {
  const at = event.indexOf('data: ')
  if (at < 0) return // a sign of life
  const data = event.slice(at + 6)
  if (!event.slice(0, at).includes('event: ')) listener.onMessage(data)
  else if (event.includes('event: welcome\n')) listener.onWelcome((JSON.parse(data) as { now: number }).now)
  else if (event.includes('event: error\n')) {
    const { code, detail, retry } = JSON.parse(data) as { code: string; detail: string; retry: boolean }
    throw new Problem(retry ? 'unreachable' : code, detail)
  }
}

async function problemOf(response: Response): Promise<Problem> {
  if (response.status === 401) onLoggedOut.call()
  const { code, detail } = (await response.json().catch(() => ({}))) as { code?: string; detail?: string }
  return new Problem(code ?? String(response.status), detail ?? words.problem.unreadable(response.status))
}
