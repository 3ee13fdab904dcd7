// Paho Python as Debian ships it (python3-paho-mqtt), over TCP and WebSocket. paho_client.py holds the clients and does what it is told.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, type TestContext, test } from 'node:test'
import { hubOfFile } from '../../kit/mqtt.ts'
import { behavesAtTheHub } from './behaviours.ts'
import { Cable } from './cable.ts'
import { type Heard, Inbox, libraryClient, type Opening, type Peer, type Saying, within } from './client.ts'

const script = join(import.meta.dirname, 'paho_client.py')
// Debian's packages belong to /usr/bin/python3, which need not be the first on the way.
const python = ['python3', '/usr/bin/python3'].find((program) => spawnSync(program, [script, '--version']).status === 0)

type Properties = Readonly<Record<string, unknown>>

interface Connected {
  readonly sessionPresent: boolean
  readonly code: number
  readonly properties: Properties
}

interface HeardWithProperties extends Heard {
  readonly properties: Properties
}

type Line =
  | { readonly call: number; readonly answer: string }
  | { readonly client: string; readonly connected: Connected }
  | { readonly client: string; readonly heard: Omit<HeardWithProperties, 'payload'> & { readonly payload: string } }

interface Boxes {
  readonly connects: Inbox<Connected>
  readonly messages: Inbox<HeardWithProperties>
}

/** The process that holds the clients of this file. */
class PahoProcess {
  readonly #child
  readonly #boxes = new Map<string, Boxes>()
  readonly #calls = new Map<number, (answer: string) => void>()
  #lastCall = 0
  #lastClient = 0

  constructor(program: string) {
    this.#child = spawn(program, ['-W', 'ignore::DeprecationWarning', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface(this.#child.stdout).on('line', (line) => this.#onLine(JSON.parse(line) as Line))
  }

  add(): { readonly name: string } & Boxes {
    const name = `${++this.#lastClient}`
    const boxes = { connects: new Inbox<Connected>('a connection of Paho'), messages: new Inbox<HeardWithProperties>('a message') }
    this.#boxes.set(name, boxes)
    return { name, ...boxes }
  }

  async call(client: string, what: string, details: object = {}): Promise<void> {
    const call = ++this.#lastCall
    const answered = new Promise<string>((resolve) => this.#calls.set(call, resolve))
    this.#child.stdin.write(`${JSON.stringify({ call, client, do: what, ...details })}\n`)
    assert.equal(await within(`an answer to ${what}`, answered), 'done')
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill()
    await once(this.#child, 'exit')
  }

  #onLine(line: Line): void {
    if ('call' in line) this.#calls.get(line.call)?.(line.answer)
    else if ('connected' in line) this.#boxes.get(line.client)?.connects.put(line.connected)
    else this.#boxes.get(line.client)?.messages.put({ ...line.heard, payload: Buffer.from(line.heard.payload, 'base64') })
  }
}

interface PahoPeer extends Peer {
  readonly properties: Properties
  nextWithProperties(): Promise<HeardWithProperties>
  subscribe(filter: string, qos: number, options?: { noLocal?: boolean; retainHandling?: number }): Promise<void>
  publish(saying: Saying & { properties?: Properties }): Promise<void>
}

async function open(paho: PahoProcess, t: TestContext, cable: Cable, opening: Opening & { receiveMaximum?: number }): Promise<PahoPeer> {
  const { name, connects, messages } = paho.add()
  const leave = () => paho.call(name, 'leave')
  t.after(leave)
  await paho.call(name, 'open', { ...opening, port: cable.port, transport: cable.wire === 'TCP' ? 'tcp' : 'websockets' })
  const { sessionPresent, code, properties } = await connects.next()
  assert.equal(code, 0)
  return {
    sessionPresent,
    properties,
    leave,
    async next() {
      const { topic, payload, qos, retain } = await messages.next()
      return { topic, payload, qos, retain }
    },
    nextWithProperties: () => messages.next(),
    comeBack: async () => (await connects.next()).sessionPresent,
    subscribe: (filter, qos, options = {}) => paho.call(name, 'subscribe', { filter, qos, ...options }),
    publish: ({ payloads, ...saying }) =>
      paho.call(name, 'publish', { ...saying, payloads: payloads.map((payload) => payload.toString('base64')) }),
  }
}

if (python === undefined) {
  test('Paho Python', { skip: 'paho.mqtt is not installed for python3 (Debian: apt install python3-paho-mqtt)' })
} else {
  const hub = await hubOfFile()
  const paho = new PahoProcess(python)
  after(() => paho.end())
  const client = libraryClient({ name: 'Paho Python', versions: [3, 4, 5], wires: ['TCP', 'WebSocket'] }, (t, cable, opening) =>
    open(paho, t, cable, opening),
  )
  behavesAtTheHub(client, hub)

  for (const wire of ['TCP', 'WebSocket'] as const) {
    test(`Paho Python asks and is answered with the properties of MQTT 5 (${wire})`, { timeout: 10_000 }, async (t) => {
      const cable = await Cable.lay(t, hub, wire)
      const ask = `paho/${wire}/ask`
      const asking = await open(paho, t, cable, { clientId: `asking-${wire}`, version: 5 })
      const answering = await open(paho, t, cable, { clientId: `answering-${wire}`, version: 5 })
      await asking.subscribe(`paho/${wire}/answer`, 1)
      await answering.subscribe(ask, 1)
      const UserProperty = [
        ['unit', 'C'],
        ['unit', 'K'],
      ]
      const properties = { ResponseTopic: `paho/${wire}/answer`, CorrelationData: 'c-1', UserProperty, MessageExpiryInterval: 60 }
      await asking.publish({ topic: ask, payloads: [Buffer.from('how warm')], qos: 1, properties })
      const asked = await answering.nextWithProperties()
      assert.deepEqual(asked.properties, properties)
      const { ResponseTopic, CorrelationData } = asked.properties
      await answering.publish({ topic: `${ResponseTopic}`, payloads: [Buffer.from('61.3')], qos: 2, properties: { CorrelationData } })
      const answer = await asking.nextWithProperties()
      assert.deepEqual([answer.payload.toString(), answer.properties], ['61.3', { CorrelationData: 'c-1' }])
    })
  }

  test('Paho Python that takes one message at a time is sent one after the other, and misses none', { timeout: 10_000 }, async (t) => {
    const cable = await Cable.lay(t, hub, 'TCP')
    const slow = await open(paho, t, cable, { clientId: 'one-at-a-time', version: 5, receiveMaximum: 1 })
    await slow.subscribe('paho/one', 2)
    const payloads = Array.from({ length: 50 }, (_, at) => Buffer.from(`${at}`))
    await slow.publish({ topic: 'paho/one', payloads, qos: 2 })
    for (const payload of payloads) assert.deepEqual((await slow.next()).payload, payload)
  })

  test('Paho Python hears nothing of its own where it said so, and no retained message where it wants none', {
    timeout: 10_000,
  }, async (t) => {
    const cable = await Cable.lay(t, hub, 'TCP')
    const peer = await open(paho, t, cable, { clientId: 'options', version: 5 })
    const publish = (topic: string, retain = false) => peer.publish({ topic, payloads: [Buffer.from(topic)], qos: 1, retain })
    await publish('paho/kept', true)
    await peer.subscribe('paho/kept', 1, { retainHandling: 2 })
    await peer.subscribe('paho/silent', 1, { noLocal: true })
    await publish('paho/silent')
    await publish('paho/kept')
    assert.deepEqual(await peer.next(), { topic: 'paho/kept', payload: Buffer.from('paho/kept'), qos: 1, retain: false })
  })
}
