// Paho JavaScript, which dashboards of many makers use: MQTT 3.1 and 3.1.1, WebSocket alone.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { type TestContext, test } from 'node:test'
import { hubOfFile, moor } from '../../kit/mqtt.ts'
import { behavesAtTheHub } from './behaviours.ts'
import { Cable } from './cable.ts'
import { type Heard, Inbox, libraryClient, type Opening, type Peer, within } from './client.ts'

/** As much of the library as is used here; it brings no types. */
interface PahoMessage {
  destinationName: string
  qos: number
  retained: boolean
  readonly payloadBytes: Uint8Array
}

interface PahoClient {
  onMessageArrived: (message: PahoMessage) => void
  onMessageDelivered: (message: PahoMessage) => void
  onConnectionLost: (why: { errorCode: number; errorMessage: string }) => void
  isConnected(): boolean
  connect(options: object): void
  subscribe(filter: string, options: { qos: number; onSuccess: () => void; onFailure: (why: object) => void }): void
  send(message: PahoMessage): void
  disconnect(): void
}

interface Paho {
  readonly Client: new (url: string, clientId: string) => PahoClient
  readonly Message: new (payload: Uint8Array) => PahoMessage
}

/** The browser's storage, as far as the library uses it: a property for each entry. What is under way survives there when a page is loaded anew. */
class PageStorage {
  [key: string]: unknown

  setItem(key: string, value: string): void {
    this[key] = value
  }

  getItem(key: string): unknown {
    return this[key] ?? null
  }

  removeItem(key: string): void {
    delete this[key]
  }
}

// Looked for once, as the library is loaded: so neither can be an import above.
Object.defineProperty(globalThis, 'localStorage', { value: new PageStorage(), configurable: true })
const paho = createRequire(import.meta.url)('paho-mqtt') as Paho
const hub = await hubOfFile()

async function open(t: TestContext, cable: Cable, opening: Opening): Promise<Peer> {
  const { clientId, version, lasting = false, will } = opening
  const client = new paho.Client(cable.url, clientId)
  const messages = new Inbox<Heard>('a message')
  const losses = new Inbox<string>('the loss of a connection')
  const delivered = new Map<PahoMessage, () => void>()
  t.after(() => client.isConnected() && client.disconnect())
  client.onMessageArrived = ({ destinationName: topic, payloadBytes, qos, retained: retain }) =>
    messages.put({ topic, payload: Buffer.from(payloadBytes), qos, retain })
  client.onMessageDelivered = (message) => delivered.get(message)?.()
  client.onConnectionLost = ({ errorCode, errorMessage }) => errorCode !== 0 && losses.put(errorMessage)
  function messageOf(topic: string, payload: Buffer, qos: number, retain: boolean): PahoMessage {
    return Object.assign(new paho.Message(payload), { destinationName: topic, qos, retained: retain })
  }

  async function connect(): Promise<boolean> {
    const connected = new Promise<void>((onSuccess, fail) => {
      client.connect({
        mqttVersion: version,
        cleanSession: !lasting,
        ...(will === undefined ? {} : { willMessage: messageOf(will.topic, Buffer.from(will.payload), will.qos, will.retain) }),
        timeout: 5,
        onSuccess: () => onSuccess(),
        onFailure: ({ errorMessage }: { errorMessage: string }) => fail(new Error(errorMessage)),
      })
    })
    await within('a connection of Paho', connected)
    return cable.sessionPresent() // the library reads the flag and tells it to nobody
  }

  return {
    sessionPresent: await connect(),
    next: () => messages.next(),
    async comeBack() {
      await losses.next()
      return connect()
    },
    async leave() {
      client.disconnect()
    },
    subscribe(filter, qos) {
      const subscribed = new Promise<void>((resolve, fail) => {
        client.subscribe(filter, { qos, onSuccess: resolve, onFailure: () => fail(new Error(`${filter} was refused`)) })
      })
      return within('SUBACK', subscribed)
    },
    async publish({ topic, payloads, qos, retain = false }) {
      const answers = payloads.map((payload) => {
        const message = messageOf(topic, payload, qos, retain)
        const answer = new Promise<void>((resolve) => delivered.set(message, resolve))
        client.send(message)
        return answer
      })
      await within('answers', Promise.all(answers))
    },
  }
}

behavesAtTheHub(libraryClient({ name: 'Paho JavaScript', versions: [3, 4], wires: ['WebSocket'] }, open), hub)

test('a page that is loaded anew finishes the QoS 2 message that the page before it had under way, and it is heard once', {
  timeout: 10_000,
}, async (t) => {
  const listener = await moor(t, hub, 'page listener')
  await listener.subscribe('paho/page', { qos: 2 })
  const cable = await Cable.lay(t, hub, 'WebSocket')
  const opening = { clientId: 'page', version: 4, lasting: true } as const
  const before = await open(t, cable, opening)
  const lost = cable.deafen()
  const unfinished = before.publish({ topic: 'paho/page', payloads: [Buffer.from('once')], qos: 2 })
  unfinished.catch(() => {}) // its page is gone
  await lost // the PUBREC
  cable.dropClientsEnd()
  const after = await open(t, cable, opening)
  assert.equal(after.sessionPresent, true)
  await after.publish({ topic: 'paho/page', payloads: [Buffer.from('next')], qos: 2 })
  assert.deepEqual(await listener.texts(2), ['once', 'next'])
  assert.deepEqual(await listener.leftovers(), [])
})
