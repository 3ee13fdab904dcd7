// mooring sub: messages as they come, without a gap across cuts.
import type { IncomingMessage } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import { CommandError, countIn, define, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { ask, type HubAddress, HubRefusal, hubOptions } from './connection.ts'
import { EventReader } from './event-stream.ts'
import { lineOf, type MessageFrame } from './message-line.ts'
import { print, screenWidthOf } from './print.ts'
import { stretchMs } from './times.ts'

/** The hub gives a sign of life every 15 s; a stream that is silent for so long is cut, whatever the network says. */
const silenceMs = 40_000
/** Before the next attempt, where the hub has not said how long. */
const retryMs = 2000

export const subCommand = define({
  summary: 'messages as they come',
  operands: ['FILTER…'],
  about: `Shows the messages of topic filters (+ and # as in MQTT), one in a line, until Ctrl-C. After a cut it goes on where it was,
without a gap and without a message twice, and says so on stderr. Where stdout is no terminal each line is a JSON object.`,
  options: {
    last: { type: 'string', value: 'N', says: 'so many of the newest messages first' },
    since: {
      type: 'string',
      value: 'WHEN',
      says: 'first what came since: a stretch before now such as 1h, a time of ISO 8601, or a cursor',
    },
    count: { type: 'string', value: 'N', says: 'end after so many messages' },
    json: { type: 'boolean', says: 'each line a JSON object: topic, payload (or text, base64), qos, at, cursor' },
    ...hubOptions,
  },
  ends: '1 the hub did not answer or refused, ',
  async run(values, filters, terminal) {
    const { last, since } = values
    if (last !== undefined && since !== undefined) throw new UsageError('--last or --since, not both')
    const most = values.count === undefined ? Number.POSITIVE_INFINITY : countIn('count', values.count)
    const query = new URLSearchParams(filters.map((filter) => ['filter', filter]))
    if (last !== undefined) query.set('last', `${countIn('last', last)}`)
    if (since !== undefined) query.set('since', momentOf(since))
    const isView = values.json !== true && terminal.stdout.isTTY === true
    const sink = new Sink(terminal, isView, most)
    await follow(values, `/v1/messages?${query}`, sink, terminal)
    return exitCodes.done
  },
})

/** A stretch is one before now; the hub reads the rest. */
function momentOf(text: string): string {
  const stretch = stretchMs(text.replace(/^-/, ''))
  return stretch === undefined ? text : `${Date.now() - stretch}`
}

/** Where the lines go, as fast as somebody reads them. */
class Sink {
  readonly #terminal: Terminal
  readonly #isView: boolean
  #left: number

  constructor(terminal: Terminal, isView: boolean, most: number) {
    this.#terminal = terminal
    this.#isView = isView
    this.#left = most
  }

  get isDone(): boolean {
    return this.#left <= 0
  }

  async take(frame: MessageFrame): Promise<void> {
    const text = this.#isView ? lineOf(frame, screenWidthOf(this.#terminal) ?? 80) : JSON.stringify(frame)
    this.#left = (await print(this.#terminal, `${text}\n`)) ? this.#left - 1 : 0
  }
}

/** Ends when the sink has enough. Errors: `CommandError` of the first attempt, and what time does not heal of the later ones. */
async function follow(hub: HubAddress, path: string, sink: Sink, terminal: Terminal): Promise<void> {
  const { signal } = terminal
  const reader = new EventReader()
  for (let isFirst = true; ; isFirst = false) {
    const headers = reader.lastId === '' ? {} : { 'last-event-id': reader.lastId }
    let cut: string
    try {
      const response = await ask(hub, { method: 'GET', path, headers, signal })
      if (!String(response.headers['content-type']).startsWith('text/event-stream')) {
        response.destroy()
        throw new CommandError(`what answers at ${hub.url} is no hub`)
      }
      if (!isFirst) say(terminal, 'connected again.')
      cut = await passOn(response, reader, sink, terminal)
      if (sink.isDone) return
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (isFirst || !(error instanceof CommandError) || (error instanceof HubRefusal && !error.mayPass)) throw error
      await after(reader.retryMs ?? retryMs, undefined, { signal }).catch(() => {})
      continue
    }
    say(terminal, `${cut}; going on from ${reader.lastId === '' ? 'what comes next' : reader.lastId}.`)
    await after(reader.retryMs ?? retryMs, undefined, { signal }).catch(() => {})
    reader.reset()
  }
}

/** Of a `gap` and of an `error` frame. */
interface Trouble {
  readonly detail?: string
  readonly retry?: boolean
}

function sentenceOf({ detail = '' }: Trouble): string {
  return detail.replace(/\.$/, '')
}

/** Resolves with why it ended. Errors: `CommandError` when the hub says that it will not. */
async function passOn(response: IncomingMessage, reader: EventReader, sink: Sink, terminal: Terminal): Promise<string> {
  const silence = setTimeout(() => response.destroy(new Error('silent')), silenceMs)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      silence.refresh()
      for (const { event, data } of reader.read(chunk)) {
        const frame = JSON.parse(data) as MessageFrame & Trouble
        if (event === 'message' || event === 'command') await sink.take(frame)
        else if (event === 'gap') say(terminal, `some messages are not there any more: ${sentenceOf(frame)}.`)
        else if (event === 'error' && frame.retry !== true)
          throw new HubRefusal(response.statusCode ?? 0, { detail: sentenceOf(frame), retry: false }, '')
        else if (event === 'error') return `the hub ended it (${sentenceOf(frame)})`
        if (sink.isDone) return 'done'
      }
    }
    return 'the hub ended it'
  } catch (error) {
    if (sink.isDone) return 'done'
    if (terminal.signal.aborted || error instanceof CommandError) throw error
    return (error as Error).message === 'silent' ? 'the hub was silent' : 'the connection was cut'
  } finally {
    clearTimeout(silence)
    response.destroy()
  }
}
