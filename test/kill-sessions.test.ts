// kill -9 at random moments of a load, over and over, and clients that keep their sessions as MQTT asks: over all rounds together each
// finds its session as it left it. What was acknowledged arrives, at QoS 2 once, in order; subscriptions and wills are as they were left.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { atEnd } from './kit/at-end.ts'
import { type HubProcess, newFolder, spawnHub } from './kit/hub.ts'
import { type ConnectWishes, LastingClient, type Owner } from './kit/lasting-client.ts'
import { Ledger, Receipts } from './kit/ledger.ts'
import { type Random, randomFrom } from './kit/random.ts'

const rounds = Number(process.env['MOORING_KILL_ROUNDS'] ?? 6)
const seed = Number(process.env['MOORING_KILL_SEED'] ?? Math.floor(Math.random() * 1e9))
const waitMs = 20_000
const window = 8
/** Messages between two moments at which everyone has got everything: an outbox takes 1,000 (limits.outboxMessages). */
const messagesBetweenDrains = 700
const fickleFilters = ['fickle/0', 'fickle/1', 'fickle/2']

const isLoad = (stream: string) => stream.startsWith('load/') || stream.startsWith('devices/')
const isShareable = (stream: string) => stream.startsWith('load/')

/** What its last SUBACK or UNSUBACK said; `unsure` when the hub died before it came. */
type Subscribed = 'on' | 'off' | 'unsure'
interface Fickle {
  readonly client: LastingClient
  readonly filters: Map<string, Subscribed>
  readonly probes: Set<string>
}

/** How often a will is to be seen in the end. */
type WillDue = 'once' | 'never' | 'unsure'

interface Willed {
  readonly client: LastingClient
  readonly kind: 'clean' | 'lasting' | 'polite'
}

class Crowd implements Owner {
  readonly random: Random
  readonly ledger = new Ledger()
  readonly faults: string[] = []
  readonly publishers: LastingClient[] = []
  readonly subscribers: { readonly client: LastingClient; readonly filters: readonly string[]; readonly qos: 1 | 2 }[] = []
  readonly fickle: Fickle[] = []
  readonly witness: LastingClient
  readonly watcher: LastingClient
  readonly #willed: readonly Willed[]
  readonly #receipts = new Map<LastingClient, Receipts>()
  readonly #direct = new Map<LastingClient, number>()
  readonly #wills = new Map<string, WillDue>()
  readonly #willsSeen = new Map<string, number>()
  #directSent = 0
  #probesSent = 0
  #sentAtDrain = 0
  /** Messages that publishers may begin in this round. */
  #budget = 0
  /** What happens after so many packets, counted from the start of the round. */
  #script: { readonly at: number; act(): void }[] = []
  #packets = 0
  #hub: HubProcess | undefined
  /** The hub was killed, or asked to stop. */
  #isEnding = false
  #waits: { readonly isDone: () => boolean; settle(why?: string): void }[] = []
  redeliveries = 0
  subscriptionsChecked = 0
  willsDue = 0
  drains = 0

  constructor() {
    this.random = randomFrom(seed)
    const join = (name: string, at: number, clean = false) => new LastingClient(name, at % 2 === 0 ? 4 : 5, this, clean)
    for (let at = 0; at < 4; at++) this.publishers.push(join(`p${at}`, at))
    for (const publisher of this.publishers) publisher.onAcknowledged = () => this.#publish(publisher)
    const fault = (sentence: string) => this.onFault(sentence)
    for (const [at, name] of ['two-a', 'two-b', 'one-a', 'one-b'].entries()) {
      const qos = name.startsWith('two') ? 2 : 1
      const client = join(name, at)
      this.subscribers.push({ client, filters: ['load/#', 'devices/+/telemetry'], qos })
      this.#receipts.set(client, new Receipts(name, this.ledger, { qos }, isLoad, fault))
    }
    const ofGroup = new Receipts('the group', this.ledger, { qos: 2, isGroup: true }, isShareable, fault)
    for (const [at, name] of ['member-a', 'member-b'].entries()) {
      const client = join(name, at)
      this.subscribers.push({ client, filters: ['$share/crew/load/#'], qos: 2 })
      this.#receipts.set(client, ofGroup)
    }
    this.watcher = join('watcher', 1)
    this.subscribers.push({ client: this.watcher, filters: ['wills/#'], qos: 2 })
    for (let at = 0; at < 2; at++) {
      const client = join(`fickle-${at}`, at)
      const filters = new Map(fickleFilters.map((filter): [string, Subscribed] => [filter, 'off']))
      this.subscribers.push({ client, filters: [], qos: 2 })
      this.fickle.push({ client, filters, probes: new Set() })
    }
    this.witness = join('witness', 1)
    this.#willed = [
      { client: join('will-clean', 0, true), kind: 'clean' },
      { client: join('will-lasting', 1), kind: 'lasting' },
      { client: join('will-polite', 0), kind: 'polite' },
    ]
  }

  get #all(): LastingClient[] {
    const subscribers = this.subscribers.map(({ client }) => client)
    return [...this.publishers, ...subscribers, this.witness, ...this.#willed.map(({ client }) => client)]
  }

  get receipts(): Set<Receipts> {
    return new Set(this.#receipts.values())
  }

  // ── what clients tell ──

  onMessage(client: LastingClient, topic: string, payload: string, again: boolean): void {
    if (again) this.redeliveries++
    const [first = '', name = ''] = topic.split('/')
    if (first === 'direct') {
      if (name !== client.clientId) this.onFault(`${client.clientId} got ${topic}`)
      this.#direct.set(client, Math.max(this.#direct.get(client) ?? 0, Number(payload)))
    } else if (first === 'wills') {
      const seen = (this.#willsSeen.get(payload) ?? 0) + 1
      this.#willsSeen.set(payload, seen)
      if (seen > 1) this.onFault(`the will ${payload} was published ${seen} times`)
      if (this.#wills.get(payload) === 'never') this.onFault(`the will ${payload} was published after DISCONNECT`)
    } else if (first === 'fickle') {
      const probes = this.fickle.find((fickle) => fickle.client === client)?.probes
      if (probes?.has(payload) === true) this.onFault(`${client.clientId} got the probe ${payload} again`)
      probes?.add(payload)
    } else this.#receipts.get(client)?.take(client.clientId, topic, payload)
  }

  onPacket(): void {
    this.#packets++
    while (this.#script[0] !== undefined && this.#script[0].at <= this.#packets) this.#script.shift()?.act()
    this.#lookAround()
  }

  onLost(client: LastingClient): void {
    if (!this.#isEnding) this.onFault(`${client.clientId} lost its connection`)
    this.#lookAround()
  }

  onFault(sentence: string): void {
    this.faults.push(sentence)
    this.#lookAround()
  }

  #lookAround(): void {
    if (this.faults.length === 0 && !this.#waits.some(({ isDone }) => isDone())) return
    const waits = this.#waits
    this.#waits = waits.filter(({ isDone }) => this.faults.length === 0 && !isDone())
    for (const wait of waits) if (!this.#waits.includes(wait)) wait.settle(this.faults[0])
  }

  /** Resolves when it is so; it is asked after every packet. */
  #until(what: string, isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => wait.settle(`${waitMs} ms passed without ${what}`), waitMs)
      const wait = {
        isDone,
        settle: (why?: string) => {
          clearTimeout(timer)
          if (why === undefined) resolve()
          else reject(new Error(why))
        },
      }
      this.#waits.push(wait)
      this.#lookAround()
    })
  }

  // ── before the rounds ──

  /** Everyone has a session that the disk knows. */
  async settleIn(hub: HubProcess): Promise<void> {
    this.#begin(hub)
    await this.#connect(this.#all.filter((client) => !this.#willed.some((willed) => willed.client === client)))
    for (const { client, filters, qos } of this.subscribers) {
      for (const filter of [...filters, `direct/${client.clientId}`]) await client.subscribe(filter, qos)
    }
    for (const client of [...this.publishers, this.witness]) await client.publish('settled', '', 1)
  }

  #begin(hub: HubProcess): void {
    this.#hub = hub
    this.#isEnding = false
  }

  #wishes(): ConnectWishes {
    return { receiveMaximum: 3 + this.random(30) }
  }

  /** False when the hub ended before all were connected. */
  async #connect(clients: readonly LastingClient[]): Promise<boolean> {
    const port = this.#hub?.mqttPort ?? 0
    const connected = await Promise.all(
      clients.filter((client) => !client.isConnected).map((client) => client.connect(port, this.#wishes())),
    )
    return connected.every(Boolean)
  }

  // ── one round ──

  /** Lets a load run into the end of the hub, which comes at a random packet or with the answer to a SUBSCRIBE. */
  async round(hub: HubProcess, number: number): Promise<void> {
    const { random } = this
    this.#begin(hub)
    const isEarly = random(5) === 0 // while sessions are just being resumed
    const how = random(8) === 0 ? 'SIGTERM' : 'SIGKILL'
    const end = () => {
      if (this.#isEnding) return
      this.#isEnding = true
      hub.child.kill(how)
    }
    const away = this.subscribers.filter(({ client }) => !this.#isFickle(client) && random(6) === 0).map(({ client }) => client)
    for (const { client } of this.subscribers) client.acknowledgeEvery(random(2) === 0 ? 1 : 1 + random(20))
    const present = this.#all.filter((client) => !away.includes(client) && !this.#willed.some((willed) => willed.client === client))

    this.#packets = 0
    this.#budget = 0
    const budget = Math.min(messagesBetweenDrains - (this.ledger.messages - this.#sentAtDrain), 40 + random(260))
    const endAt = isEarly ? 1 + random(60) : 20 + random(budget * 5) // a message makes some six packets
    const endsOnAnswer = !isEarly && random(3) === 0
    const script = [{ at: endAt, act: () => (endsOnAnswer ? this.#change(random(2), end) : end()) }]
    if (!isEarly) {
      for (let flaps = random(5); flaps > 0; flaps--) script.push({ at: 1 + random(endAt), act: () => this.#flap(present) })
      for (let changes = random(3); changes > 0; changes--) script.push({ at: 1 + random(endAt), act: () => this.#change(random(2)) })
    }
    script.sort((a, b) => a.at - b.at)
    if (isEarly) this.#script = script
    if ((await this.#connect(present)) && !isEarly) {
      await this.#probe()
      this.#packets = 0
      this.#script = script
    }
    for (const willed of this.#willed) this.#leaveWill(willed, `${number} ${willed.kind}`)
    this.#budget = budget
    for (const publisher of this.publishers) this.#publish(publisher)
    const quiet = () => this.#budget === 0 && this.publishers.every(({ unacknowledged }) => unacknowledged === 0)
    await this.#until('the end of the round', () => this.#isEnding || quiet())
    end()
    const code = await hub.exited
    this.#script = []
    await Promise.all(this.#all.map((client) => client.closed()))
    assert.deepEqual(this.faults, [])
    if (how === 'SIGTERM') assert.equal(code, 0, hub.stderr())
  }

  #isFickle(client: LastingClient): boolean {
    return this.fickle.some((fickle) => fickle.client === client)
  }

  #publish(publisher: LastingClient): void {
    const { clientId } = publisher
    while (publisher.isConnected && this.#budget > 0 && publisher.unacknowledged < window) {
      this.#budget--
      const topic = [`load/${clientId}/a`, `load/${clientId}/b`, `devices/${clientId}/telemetry`][this.random(3)] as string
      const qos = this.random(2) === 0 ? 1 : 2
      publisher.publish(topic, this.ledger.next(topic, qos), qos)
    }
  }

  /** A connection is lost, given up or taken over in the middle of the load, and the client is back at once. */
  #flap(present: readonly LastingClient[]): void {
    const client = present[this.random(present.length)]
    if (client === undefined || !client.isConnected || this.#isEnding) return
    const how = this.random(3)
    if (how === 0) client.pullCable()
    else if (how === 1) client.leave()
    client.connect(this.#hub?.mqttPort ?? 0, this.#wishes()).then((connected) => {
      if (connected && this.publishers.includes(client)) this.#publish(client)
    })
  }

  /** Subscribes or unsubscribes; what the answer said must hold from then on. */
  #change(who: number, answered: () => void = () => {}): void {
    const { client, filters } = this.fickle[who] as Fickle
    const filter = fickleFilters[this.random(fickleFilters.length)] as string
    if (!client.isConnected || filters.get(filter) === 'unsure') {
      answered()
      return
    }
    const now = filters.get(filter) === 'on' ? 'off' : 'on'
    filters.set(filter, 'unsure')
    const answer = now === 'on' ? client.subscribe(filter, 2) : client.unsubscribe(filter)
    answer.then((came) => {
      if (came) filters.set(filter, now)
      answered()
    })
  }

  /** Each filter of the fickle ones is tried, and each is subscribed or not as its last answer said. */
  async #probe(): Promise<void> {
    const expected = fickleFilters.map((filter) => ({ filter, probe: `${++this.#probesSent}` }))
    for (const { filter, probe } of expected) this.witness.publish(filter, probe, 2)
    await this.#tell(this.fickle.map(({ client }) => client))
    for (const { client, filters, probes } of this.fickle) {
      for (const { filter, probe } of expected) {
        const said = filters.get(filter)
        const found = probes.has(probe) ? 'on' : 'off'
        if (said !== 'unsure') this.subscriptionsChecked++
        if (said !== 'unsure' && said !== found) this.onFault(`${client.clientId}: ${filter} was ${said} and is ${found}`)
        filters.set(filter, found)
      }
    }
  }

  /** Resolves when each has got a message sent now, and so all that was handed on before it. */
  async #tell(clients: readonly LastingClient[]): Promise<void> {
    const number = ++this.#directSent
    await this.#until('answers to the witness', () => this.witness.unacknowledged === 0)
    for (const client of clients) {
      client.acknowledgeEvery(1)
      this.witness.publish(`direct/${client.clientId}`, `${number}`, 2)
    }
    const lacking = () => clients.filter((client) => (this.#direct.get(client) ?? 0) < number || client.unreleased > 0)
    await this.#until('what clients are owed', () => lacking().length === 0)
  }

  /** What the witness publishes after CONNACK, or after the end of the wire, is on disk behind what happened to the session before. */
  async #leaveWill({ client, kind }: Willed, name: string): Promise<void> {
    if (this.#isEnding || !this.witness.isConnected) return
    this.#wills.set(name, 'unsure')
    const will = { topic: `wills/${kind}`, payload: Buffer.from(name), qos: 2, retain: false } as const
    if (!(await client.connect(this.#hub?.mqttPort ?? 0, { ...this.#wishes(), will })) || this.#isEnding) return
    if (kind === 'polite') await client.leave()
    if (!this.witness.isConnected || this.#isEnding) return
    if (!(await this.witness.publish('settled', '', 1))) return
    this.#wills.set(name, kind === 'polite' ? 'never' : 'once')
  }

  // ── between rounds ──

  get wantsDrain(): boolean {
    return this.ledger.messages - this.#sentAtDrain > messagesBetweenDrains - 100
  }

  /** Everyone is there and acknowledges at once, until all have got all; then the balance is struck. */
  async drain(hub: HubProcess): Promise<void> {
    this.#begin(hub)
    this.#budget = 0
    for (const { client } of this.subscribers) client.acknowledgeEvery(1)
    await this.#connect(this.#all.filter((client) => !this.#willed.some((willed) => willed.client === client)))
    await this.#probe()
    await this.#until('acknowledgements', () => this.publishers.every(({ unacknowledged }) => unacknowledged === 0))
    await this.#tell(this.subscribers.map(({ client }) => client))
    for (const receipts of this.receipts) this.faults.push(...receipts.missing())
    for (const [name, due] of this.#wills) {
      if (due === 'once') this.willsDue++
      if (due === 'once' && this.#willsSeen.get(name) !== 1) this.faults.push(`the will ${name} was lost`)
      if (due === 'never' && this.#willsSeen.has(name)) this.faults.push(`the will ${name} was published after DISCONNECT`)
    }
    for (const [name, due] of this.#wills) if (due !== 'never') this.#wills.delete(name)
    assert.deepEqual(this.faults.slice(0, 20), [])
    const { figures } = (await hub.get('/v1/hub')) as { figures: { dropped: number } }
    assert.equal(figures.dropped, 0)
    this.#sentAtDrain = this.ledger.messages
    this.drains++
  }

  /** A clean stop, after which nobody is owed anything. */
  async stop(hub: HubProcess): Promise<void> {
    this.#isEnding = true
    await hub.stop()
    await Promise.all(this.#all.map((client) => client.closed()))
  }

  pullCables(): void {
    for (const client of this.#all) client.pullCable()
  }

  summary(): string {
    const [deliveries, duplicates] = [...this.receipts].reduce(([a, b], one) => [a + one.deliveries, b + one.duplicates], [0, 0])
    const resent = this.publishers.reduce((sum, publisher) => sum + publisher.resent, 0)
    return [
      `${this.ledger.messages} messages, ${deliveries} deliveries, none lost`,
      `${duplicates} duplicates where QoS 1 allows them, none at QoS 2`,
      `sent again: ${this.redeliveries} first seen with DUP by subscribers, ${resent} by publishers`,
      `${this.subscriptionsChecked} subscriptions and ${this.willsDue} wills as they were left; ${this.drains} balances struck`,
    ].join('; ')
  }
}

async function run(t: TestContext): Promise<void> {
  t.diagnostic(`MOORING_KILL_SEED=${seed}`)
  const folder = newFolder(t)
  const crowd = new Crowd()
  atEnd(t, () => crowd.pullCables())
  let hub = await spawnHub(t, folder)
  await crowd.settleIn(hub)
  for (let round = 0; round < rounds; round++) {
    if (round > 0) hub = await spawnHub(t, folder)
    if (crowd.wantsDrain) await crowd.drain(hub)
    await crowd.round(hub, round)
  }
  hub = await spawnHub(t, folder)
  await crowd.drain(hub)
  const before = crowd.summary()
  await crowd.stop(hub)
  hub = await spawnHub(t, folder)
  const deliveries = () => [...crowd.receipts].reduce((sum, one) => sum + one.deliveries, 0)
  const delivered = deliveries()
  await crowd.drain(hub)
  assert.equal(deliveries(), delivered, 'after a clean stop nobody gets again what was acknowledged')
  t.diagnostic(`${rounds} rounds: ${before}`)
  await crowd.stop(hub)
}

test('sessions survive kill -9 at random moments of a load, over and over', { timeout: 60_000 + rounds * 20_000 }, run)
