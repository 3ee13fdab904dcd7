// Messages of topic filters as they come, and on after a cut, without a gap.
import type { IncomingMessage } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import { CommandError } from './command.ts'
import { ask, type HubAddress, HubRefusal } from './connection.ts'
import { EventReader } from './event-stream.ts'
import type { MessageFrame } from './message-line.ts'

/** The hub gives a sign of life every 15 s; a stream that is silent for so long is cut, whatever the network says. */
const silenceMs = 40_000
/** Before the next attempt, where the hub has not said how long. */
const retryMs = 2000

/** Where messages go. */
export interface MessageSink {
  /** It has enough. */
  readonly isDone: boolean
  /** The next one waits until it resolves. */
  take(frame: MessageFrame): Promise<void> | void
  /** A sentence for people: of a cut, and of what is missing. */
  say(sentence: string): void
}

/** Ends when the sink has enough. Errors: `CommandError` of the first attempt, and what time does not heal of the later ones. */
export async function follow(hub: HubAddress, path: string, sink: MessageSink, signal: AbortSignal): Promise<void> {
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
      if (!isFirst) sink.say('connected again.')
      cut = await passOn(response, reader, sink, signal)
      if (sink.isDone) return
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (isFirst || !(error instanceof CommandError) || (error instanceof HubRefusal && !error.mayPass)) throw error
      await after(reader.retryMs ?? retryMs, undefined, { signal }).catch(() => {})
      continue
    }
    sink.say(`${cut}; going on from ${reader.lastId === '' ? 'what comes next' : reader.lastId}.`)
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
async function passOn(response: IncomingMessage, reader: EventReader, sink: MessageSink, signal: AbortSignal): Promise<string> {
  const silence = setTimeout(() => response.destroy(new Error('silent')), silenceMs)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      silence.refresh()
      for (const { event, data } of reader.read(chunk)) {
        const frame = JSON.parse(data) as MessageFrame & Trouble
        if (event === 'message' || event === 'command') await sink.take(frame)
        else if (event === 'gap') sink.say(`some messages are not there any more: ${sentenceOf(frame)}.`)
        else if (event === 'error' && frame.retry !== true)
          throw new HubRefusal(response.statusCode ?? 0, { detail: sentenceOf(frame), retry: false }, '')
        else if (event === 'error') return `the hub ended it (${sentenceOf(frame)})`
        if (sink.isDone) return 'done'
      }
    }
    return 'the hub ended it'
  } catch (error) {
    if (sink.isDone) return 'done'
    if (signal.aborted || error instanceof CommandError) throw error
    return (error as Error).message === 'silent' ? 'the hub was silent' : 'the connection was cut'
  } finally {
    clearTimeout(silence)
    response.destroy()
  }
}
