// One stream of messages read over each wire that has cursors, from the specification in hub/json/README.md and the MQTT 5 user properties:
// whoever has read so far on one goes on with another.
import { type ClientRequest, get } from 'node:http'
import type { TestContext } from 'node:test'
import WebSocket from 'ws'
import type { TestHub } from './hub.ts'
import { moor } from './mqtt.ts'

export interface Seen {
  readonly cursor: string
  readonly text: string
}

export interface Reader {
  /** The next message; rejects when the wire is gone. */
  next(): Promise<Seen>
  /** As a client does that is done, or as a cable does. */
  close(how: 'politely' | 'cut'): Promise<void> | void
}

/** Reads `filter` from behind the cursor. `client` names the session, which the wires that have one share. */
export type OpenReader = (t: TestContext, hub: TestHub, client: string, filter: string, cursor: string) => Promise<Reader>

const sessionSeconds = 60

/** What has come and nobody has taken yet. */
class Arrivals {
  readonly #seen: Seen[] = []
  #why: Error | undefined
  #wake: () => void = () => {}

  push(frame: { readonly cursor?: string; readonly payload?: unknown; readonly text?: string; readonly retain?: boolean }): void {
    const { cursor, payload, text } = frame
    if (cursor === undefined) return
    this.#seen.push({ cursor, text: text ?? JSON.stringify(payload) })
    this.#wake()
  }

  fail(why: Error): void {
    this.#why ??= why
    this.#wake()
  }

  async next(): Promise<Seen> {
    for (;;) {
      const seen = this.#seen.shift()
      if (seen !== undefined) return seen
      if (this.#why !== undefined) throw this.#why
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

const overMqtt: OpenReader = async (t, hub, client, filter, cursor) => {
  const mqtt = await moor(t, hub, `${client} by MQTT`, 5)
  await mqtt.subscribe(filter, { qos: 1, userProperties: { since: cursor } })
  return {
    async next() {
      const { messageId, payload, properties } = await mqtt.next('publish')
      if (messageId !== undefined) mqtt.acknowledge('puback', messageId)
      return { cursor: properties?.userProperties?.['cursor'] as string, text: payload.toString() }
    },
    close: (how) => (how === 'cut' ? mqtt.pullCable() : mqtt.leave()),
  }
}

const overWebSocket: OpenReader = async (_t, hub, client, filter, cursor) => {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/session`, 'mooring.json')
  const arrivals = new Arrivals()
  socket.on('open', () => {
    socket.send(JSON.stringify({ is: 'hello', client, expiry: sessionSeconds, after: cursor, subscribe: [{ filter }] }))
  })
  socket.on('message', (bytes) => {
    const frame = JSON.parse(bytes.toString()) as { is: string; detail?: string; cursor?: string; payload?: unknown; text?: string }
    if (frame.is === 'message') arrivals.push(frame)
    else if (frame.is === 'gap' || frame.is === 'error') arrivals.fail(new Error(`${frame.is}: ${frame.detail}`))
  })
  socket.on('error', (error) => arrivals.fail(error))
  socket.on('close', (code) => arrivals.fail(new Error(`closed with ${code}`)))
  return { next: () => arrivals.next(), close: (how) => (how === 'cut' ? socket.terminate() : socket.close(1000)) }
}

function overEvents(path: string): OpenReader {
  return async (_t, hub, client, filter, cursor) => {
    const arrivals = new Arrivals()
    const query = new URLSearchParams({ filter, ...(path.includes('session') ? { client, expiry: `${sessionSeconds}` } : {}) })
    const request: ClientRequest = get(`${hub.url}${path}?${query}`, { headers: { 'last-event-id': cursor } }, (response) => {
      if (response.statusCode !== 200) arrivals.fail(new Error(`answered ${response.statusCode}`))
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        const blocks = text.split('\n\n')
        text = blocks.pop() as string
        for (const block of blocks) {
          const fields = new Map(
            block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
          )
          const event = fields.get('event')
          const data = fields.get('data')
          if (event === 'gap' || event === 'error') arrivals.fail(new Error(`${event}: ${data}`))
          else if (event === undefined && data !== undefined) arrivals.push(JSON.parse(data) as object)
        }
      })
      response.on('close', () => arrivals.fail(new Error('the stream ended')))
      response.on('error', (error) => arrivals.fail(error))
    })
    request.on('error', (error) => arrivals.fail(error))
    return { next: () => arrivals.next(), close: () => void request.destroy() }
  }
}

const overLongPoll: OpenReader = async (_t, hub, client, filter, cursor) => {
  const controller = new AbortController()
  const waiting: Seen[] = []
  let after = cursor
  return {
    async next() {
      while (waiting.length === 0) {
        const query = new URLSearchParams({ client, filter, after, expiry: `${sessionSeconds}`, wait: '10' })
        const response = await fetch(`${hub.url}/v1/session/messages?${query}`, { signal: controller.signal })
        if (response.status !== 200) throw new Error(`answered ${response.status}`)
        const { messages, cursor: next } = (await response.json()) as {
          messages: { is: string; cursor?: string; payload?: unknown; text?: string }[]
          cursor: string
        }
        for (const { is, cursor: at, payload, text } of messages) {
          if (is !== 'message' || at === undefined) throw new Error(`${is} came`)
          waiting.push({ cursor: at, text: text ?? JSON.stringify(payload) })
        }
        after = next
      }
      return waiting.shift() as Seen
    },
    close: () => controller.abort(),
  }
}

export const wires: Readonly<Record<string, OpenReader>> = {
  'MQTT 5': overMqtt,
  WebSocket: overWebSocket,
  'SSE of a session': overEvents('/v1/session/events'),
  'SSE without a session': overEvents('/v1/messages'),
  'long-poll': overLongPoll,
}
