// One client on each wire by which messages come, with a session that is kept: what it got, and how it was ended.
import { type ClientRequest, get } from 'node:http'
import type { TestContext } from 'node:test'
import type { TestHub } from '../kit/hub.ts'
import { dialJson, type JsonClient } from '../kit/json.ts'
import { dial, type TestClient, type Version, type WireName } from '../kit/mqtt.ts'

export interface Got {
  readonly topic: string
  readonly text: string
}

export interface Listener {
  /** Resolves when the hub has ended it, or it was refused: with the hub's word for it. */
  readonly ended: Promise<string>
  /** With `last`, history comes first, where the wire has it. Resolves with whether it was taken. */
  subscribe(filter: string, last?: number): Promise<boolean>
  /** Resolves with whether it was taken; undefined where the wire has no word for it. */
  publish(topic: string, text: string, retain: boolean): Promise<boolean | undefined>
  /** Without a goodbye. */
  cut(): void
}

export interface Opening {
  readonly token: string
  readonly clientId: string
  /** Of a wire that says them when it is opened. */
  readonly filters: readonly string[]
  onMessage(got: Got): void
}

/** Rejects with the hub's word when it is not let in. */
export type OpenListener = (t: TestContext, hub: TestHub, opening: Opening) => Promise<Listener>

const expirySeconds = 600

function overMqtt(version: Version, wire: WireName): OpenListener {
  return async (t, hub, { token, clientId, onMessage }) => {
    const client = await dial(t, hub, version, wire)
    const properties = version === 5 ? { properties: { sessionExpiryInterval: expirySeconds } } : {}
    client.sendConnect(clientId, { clean: false, username: 'x', password: Buffer.from(token), ...properties })
    const { returnCode, reasonCode = returnCode } = await client.next('connack')
    if (reasonCode !== 0) throw new Error(`refused with ${reasonCode}`)
    void read(client, onMessage)
    return {
      ended: endOf(client),
      async subscribe(topic, last) {
        const { granted } = await client.subscribe(topic, {
          qos: 1,
          ...(last === undefined || version !== 5 ? {} : { userProperties: { last: `${last}` } }),
        })
        return (granted[0] as number) < 0x80
      },
      async publish(topic, text, retain) {
        const puback = await client.publish(topic, text, { qos: 1, retain })
        if (version !== 5) return undefined
        return puback?.cmd === 'puback' && (puback.reasonCode ?? 0) < 0x80
      },
      cut: () => client.pullCable(),
    }
  }
}

async function read(client: TestClient, onMessage: (got: Got) => void): Promise<void> {
  client.socket.on('data', () => take(client, onMessage))
  take(client, onMessage)
}

/** What has arrived by now. */
function take(client: TestClient, onMessage: (got: Got) => void): void {
  for (const packet of [...client.unread]) {
    if (packet.cmd !== 'publish') continue
    void client.next('publish')
    onMessage({ topic: packet.topic, text: packet.payload.toString() })
  }
}

async function endOf(client: TestClient): Promise<string> {
  await new Promise<void>((resolve) => (client.socket.closed ? resolve() : client.socket.once('close', () => resolve())))
  const bye = await client.goodbye()
  return bye === undefined ? 'close' : `0x${bye.code.toString(16)}`
}

const overJson: OpenListener = async (t, hub, { token, clientId, onMessage }) => {
  const client = await dialJson(t, hub)
  client.socket.on('message', () => takeFrames(client, onMessage))
  client.say({ is: 'hello', token, client: clientId, expiry: expirySeconds })
  const first = await client.next(['welcome', 'error'])
  if (first.is === 'error') throw new Error(`refused with ${first.code}`)
  takeFrames(client, onMessage)
  return {
    ended: new Promise((resolve) => client.socket.on('close', (code) => resolve(`${code}`))),
    async subscribe(filter, last) {
      return (await client.ask({ is: 'subscribe', filter, ...(last === undefined ? { retained: true } : { last }) })).is === 'ack'
    },
    async publish(topic, text, retain) {
      return (await client.ask({ is: 'publish', topic, text, retain, qos: 1 })).is === 'ack'
    },
    cut: () => client.pullCable(),
  }
}

function takeFrames(client: JsonClient, onMessage: (got: Got) => void): void {
  for (const frame of [...client.unread]) {
    if (frame.is !== 'message') continue
    void client.next('message')
    onMessage({ topic: frame.topic as string, text: frame.text ?? JSON.stringify(frame.payload) })
    if (frame.cursor !== undefined) client.say({ is: 'ack', cursor: frame.cursor })
  }
}

/** What cannot be said on a wire that only goes down is said beside it, as lines and as requests. */
async function beside(hub: TestHub, token: string, clientId: string, frame: object): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' }
  const query = new URLSearchParams({ client: clientId })
  const response = await fetch(`${hub.url}/v1/stream?${query}`, { method: 'POST', headers, body: `${JSON.stringify(frame)}\n` })
  const answer = await response.text()
  return response.status === 200 && answer.includes('"stored":1')
}

const overEvents: OpenListener = (_t, hub, { token, clientId, filters, onMessage }) => {
  return new Promise((resolve, reject) => {
    const query = new URLSearchParams({ client: clientId, expiry: `${expirySeconds}`, retained: 'true' })
    for (const filter of filters) query.append('filter', filter)
    let why = 'cut'
    let onEnded: (why: string) => void
    const ended = new Promise<string>((end) => (onEnded = end))
    const request: ClientRequest = get(
      `${hub.url}/v1/session/events?${query}`,
      { headers: { authorization: `Bearer ${token}` } },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        if (response.statusCode !== 200) {
          reject(new Error(`refused with ${response.statusCode}`))
          response.resume()
          return
        }
        response.on('data', (chunk: string) => {
          text += chunk
          const blocks = text.split('\n\n')
          text = blocks.pop() as string
          for (const block of blocks) {
            const data = /^data: ?(.*)$/m.exec(block)?.[1]
            if (data === undefined) continue
            const frame = JSON.parse(data) as { is: string; topic: string; text?: string; payload?: unknown; code?: string }
            if (frame.is === 'message') onMessage({ topic: frame.topic, text: frame.text ?? JSON.stringify(frame.payload) })
            if (/^event: ?error$/m.test(block)) why = `error ${frame.code}`
            if (frame.is === 'welcome') resolve(listener)
          }
        })
        response.on('close', () => {
          onEnded(why)
          reject(new Error(`refused with ${why}`)) // unless it was welcome before
        })
        response.on('error', () => {})
      },
    )
    request.on('error', (error) => reject(error))
    const listener: Listener = {
      ended,
      subscribe: (filter, last) =>
        beside(hub, token, clientId, { is: 'subscribe', filter, ...(last === undefined ? { retained: true } : { last }) }),
      publish: (topic, text, retain) => beside(hub, token, clientId, { is: 'publish', topic, text, retain, qos: 1 }),
      cut: () => void request.destroy(),
    }
  })
}

const overLongPoll: OpenListener = async (_t, hub, { token, clientId, filters, onMessage }) => {
  const stop = new AbortController()
  let after: string | undefined
  const poll = async (wait: number): Promise<string | undefined> => {
    const query = new URLSearchParams({
      client: clientId,
      expiry: `${expirySeconds}`,
      wait: `${wait}`,
      retained: 'true',
      ...(after === undefined ? {} : { after }),
    })
    for (const filter of filters) query.append('filter', filter)
    const response = await fetch(`${hub.url}/v1/session/messages?${query}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: stop.signal,
    })
    if (response.status !== 200) return `${response.status}`
    const { messages, cursor } = (await response.json()) as {
      messages: { is: string; topic: string; text?: string; payload?: unknown }[]
      cursor: string
    }
    after = cursor
    for (const { is, topic, text, payload } of messages) if (is === 'message') onMessage({ topic, text: text ?? JSON.stringify(payload) })
    return undefined
  }
  const refused = await poll(0)
  if (refused !== undefined) throw new Error(`refused with ${refused}`)
  const goOn = async (): Promise<string> => {
    for (;;) {
      const why = await poll(20)
      if (why !== undefined) return why
    }
  }
  return {
    ended: goOn().catch(() => 'cut'),
    subscribe: (filter, last) =>
      beside(hub, token, clientId, { is: 'subscribe', filter, ...(last === undefined ? { retained: true } : { last }) }),
    publish: (topic, text, retain) => beside(hub, token, clientId, { is: 'publish', topic, text, retain, qos: 1 }),
    cut: () => stop.abort(),
  }
}

export const listeners: Readonly<Record<string, OpenListener>> = {
  'MQTT 5': overMqtt(5, 'TCP'),
  'MQTT 3.1.1': overMqtt(4, 'TCP'),
  'MQTT 5 over WebSocket': overMqtt(5, 'WebSocket'),
  'JSON over WebSocket': overJson,
  'events of a session': overEvents,
  'long-poll': overLongPoll,
}
