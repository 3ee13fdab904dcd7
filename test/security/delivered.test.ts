// Delivered means allowed, at that moment; and what is allowed arrives. Devices and programs on every wire, with roles and credentials that
// change at random under them, judged by a model that knows nothing of the hub. MOORING_SECURITY_SEED repeats a run, MOORING_SECURITY_RUNS makes more.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Rule } from '../../devices/identity.ts'
import { type InProcessHub, startHub } from '../kit/hub.ts'
import { within } from '../kit/log.ts'
import { type Random, randomFrom } from '../kit/random.ts'
import { allow, ask, giveDevice, giveKey, type Made, putRole, revoke, setDisabled } from './kit.ts'
import { type Got, type Listener, listeners } from './listeners.ts'
import { filters, matches, may, maySubscribe, pick, randomRules, topics, type Who } from './model.ts'

const seedAsked = process.env['MOORING_SECURITY_SEED']
const firstSeed = Number(seedAsked ?? Date.now() % 1_000_000)
const runs = seedAsked === undefined ? Number(process.env['MOORING_SECURITY_RUNS'] ?? 3) : 1
const steps = 60

const sharedFilter = '$share/g/a/#'
const wires = Object.keys(listeners)

class World {
  readonly roles = new Map<string, Rule[]>()
  readonly actors: Actor[] = []
  /** Topic by payload, of what the hub has taken. Nothing else may reach anybody. */
  readonly published = new Map<string, string>()
  readonly log: string[] = []
  readonly t: TestContext
  readonly hub: InProcessHub
  readonly random: Random
  /** Rights are changing: what comes meanwhile is judged by those before or those after. */
  changing = false
  delivered = 0
  #last = 0
  #marks = 0

  constructor(t: TestContext, hub: InProcessHub, random: Random) {
    this.t = t
    this.hub = hub
    this.random = random
  }

  newText(topic: string): string {
    const text = `m${++this.#last}`
    this.published.set(text, topic)
    return text
  }

  async change(what: string, how: () => Promise<void>): Promise<void> {
    this.log.push(what)
    for (const actor of this.actors) actor.noteRights()
    this.changing = true
    await how()
    await this.settle()
    this.changing = false
    for (const actor of this.actors) actor.noteRights()
    await this.settle()
  }

  /** Who is connected and may stay has heard all that there is. Who may not stay is closed. */
  async settle(): Promise<void> {
    for (const actor of this.actors) await actor.mindEnd()
    const mark = `${++this.#marks}`
    await ask(this.hub, 'POST', '/v1/publish', { topic: 'mark/1', text: mark })
    for (const actor of this.actors) await actor.heard(mark)
    for (const actor of this.actors) actor.judgeOwed()
  }
}

class Actor {
  readonly world: World
  readonly name: string
  readonly clientId: string
  readonly is: 'device' | 'key'
  role: string
  wire: string
  made: Made | undefined
  disabled = false
  listener: Listener | undefined
  readonly subscribed = new Set<string>()
  readonly owed = new Set<string>()
  #marked = ''
  #wake: () => void = () => {}
  #before: readonly Rule[] = []

  constructor(world: World, is: 'device' | 'key', name: string, role: string, wire: string) {
    this.world = world
    this.is = is
    this.name = name
    this.clientId = is === 'device' && world.random(2) === 0 ? `${name}:1` : name
    this.role = role
    this.wire = wire
  }

  get who(): Who {
    const isDevice = this.is === 'device'
    return { device: isDevice ? this.name : undefined, clientId: this.clientId, user: isDevice ? undefined : this.name }
  }

  /** Now. */
  get rules(): readonly Rule[] {
    return this.made === undefined || this.disabled ? [] : (this.world.roles.get(this.role) as Rule[])
  }

  get mayStay(): boolean {
    return this.rules.length > 0 && [...this.subscribed].every((filter) => maySubscribe(this.rules, this.who, plain(filter)))
  }

  noteRights(): void {
    this.#before = this.rules
  }

  onMessage({ topic, text }: Got): void {
    if (topic.startsWith('mark/')) {
      this.#marked = text
      this.#wake()
      return
    }
    const { changing, published } = this.world
    const isAllowed = may(this.rules, this.who, 'subscribe', topic) || (changing && may(this.#before, this.who, 'subscribe', topic))
    assert.ok(isAllowed, `${this.name} got ${text} on ${topic}, which it may not have (${this.wire})`)
    if (topic.endsWith('/presence')) return // that is the hub's own word
    assert.equal(published.get(text), topic, `${this.name} got ${text} on ${topic}, which nobody was allowed to publish (${this.wire})`)
    this.world.delivered++
    this.owed.delete(text)
    groups.get(this.world)?.delete(text)
  }

  async give(): Promise<void> {
    const give = this.is === 'device' ? giveDevice : giveKey
    this.made = await give(this.world.hub, this.name, { role: this.role })
  }

  /** What it says is caught here: it comes from the wire's own events. */
  async come(): Promise<void> {
    const { world } = this
    const opening = {
      token: this.made?.secret ?? 'mrg_none',
      clientId: this.clientId,
      filters: [...this.subscribed],
      onMessage: (got: Got) => {
        try {
          this.onMessage(got)
        } catch (error) {
          failures.get(world)?.push(error as Error)
        }
      },
    }
    const open = listeners[this.wire] as (typeof listeners)[string]
    const coming = open(world.t, world.hub, opening)
    if (this.rules.length === 0 || (!this.mayStay && !isMqtt(this.wire) && this.wire !== 'JSON over WebSocket')) {
      await coming.then(
        (listener) => listener.cut(),
        () => {},
      )
      if (this.rules.length === 0) await assert.rejects(coming, `${this.name} came in without a right (${this.wire})`)
      return
    }
    this.listener = await coming
    const { listener } = this
    void listener.ended.then(() => {
      if (this.listener === listener) this.listener = undefined
    })
    if (!this.subscribed.has('mark/#')) await this.subscribe('mark/#')
  }

  async subscribe(filter: string, last?: number): Promise<void> {
    const wanted = maySubscribe(this.rules, this.who, plain(filter))
    const taken = await this.listener?.subscribe(filter, last)
    assert.equal(taken, wanted, `${this.name} subscribes to ${filter} (${this.wire})`)
    if (wanted) this.subscribed.add(filter)
  }

  /** Who lost its rights, or a subscription by them, is told and closed; nobody else is. */
  async mindEnd(): Promise<void> {
    const { listener } = this
    if (listener === undefined) return
    if (this.mayStay || isBack(this)) return
    await within(`the end of ${this.name} (${this.wire})`, () => listener.ended)
    this.listener = undefined
  }

  async heard(mark: string): Promise<void> {
    const { listener } = this
    await within(`the mark of ${this.name} (${this.wire})`, async () => {
      while (this.listener === listener && listener !== undefined && this.#marked !== mark)
        await new Promise<void>((wake) => (this.#wake = wake))
    })
  }

  judgeOwed(): void {
    if (this.listener === undefined) return
    for (const text of this.owed) {
      const topic = this.world.published.get(text) as string
      if (!this.world.changing) {
        assert.ok(
          !may(this.rules, this.who, 'subscribe', topic),
          `${this.name} did not get ${text} on ${topic}, which it may have (${this.wire})`,
        )
      }
      this.owed.delete(text)
    }
  }
}

/** Of a world: what its clients found, and messages that some member of the group is to get. */
const failures = new WeakMap<World, Error[]>()
const groups = new WeakMap<World, Set<string>>()
/** Came back to a session with subscriptions that it might not make now: it gets of them what it may have, and stays. */
const back = new WeakSet<Actor>()
const isBack = (actor: Actor) => back.has(actor) && actor.rules.length > 0
const isMqtt = (wire: string) => wire.startsWith('MQTT')
const plain = (filter: string) => filter.replace(/^\$share\/g\//, '')

async function publish(world: World): Promise<void> {
  const { random, actors, hub, log } = world
  const topic = pick(random, topics)
  const retain = random(4) === 0
  const online = actors.filter(({ listener }) => listener !== undefined)
  const by = random(2) === 0 || online.length === 0 ? undefined : pick(random, online)
  const taken = by === undefined || (may(by.rules, by.who, 'publish', topic) && (!retain || may(by.rules, by.who, 'retain', topic)))
  const text = taken ? world.newText(topic) : `refused ${topic}`
  log.push(`${by?.name ?? 'the operator'} publishes ${text} on ${topic}${retain ? ', retained' : ''}`)
  if (taken) {
    for (const one of actors) if ([...one.subscribed].some((filter) => matches(filter, topic))) one.owed.add(text)
    const isMember = (one: Actor) =>
      one.listener !== undefined && one.subscribed.has(sharedFilter) && may(one.rules, one.who, 'subscribe', topic)
    if (matches(plain(sharedFilter), topic) && actors.some(isMember)) groups.get(world)?.add(text)
  }
  if (by === undefined) await ask(hub, 'POST', '/v1/publish', { topic, text, retain })
  else {
    const answer = await by.listener?.publish(topic, text, retain)
    if (answer !== undefined) assert.equal(answer, taken, `${by.name} publishes on ${topic} (${by.wire})`)
  }
}

async function step(world: World): Promise<void> {
  const { random, actors, hub, log } = world
  const actor = pick(random, actors)
  const what = random(12)
  if (what <= 4) {
    for (let count = 0; count < 4; count++) await publish(world)
    await world.settle()
    assert.deepEqual([...(groups.get(world) as Set<string>)], [], 'no member of the group got what one of them may have')
  } else if (what <= 6 && actor.listener !== undefined) {
    const open = random(3) === 0 ? filters : filters.filter((one) => maySubscribe(actor.rules, actor.who, one))
    const filter = isMqtt(actor.wire) && random(4) === 0 ? sharedFilter : pick(random, open.length === 0 ? filters : open)
    const last = random(2) === 0 && !filter.startsWith('$') ? 5 : undefined
    log.push(`${actor.name} subscribes to ${filter}${last === undefined ? '' : ' with history'}`)
    await actor.subscribe(filter, last)
    await world.settle()
  } else if (what === 7 && actor.listener !== undefined) {
    log.push(`${actor.name} goes away`)
    const { listener } = actor
    actor.listener = undefined
    listener.cut()
  } else if (what === 8) {
    const role = pick(random, [...world.roles.keys()])
    const rules = randomRules(random)
    await world.change(`${role} gets ${JSON.stringify(rules)}`, async () => {
      for (const one of actors) if (one.role === role) back.delete(one)
      world.roles.set(role, rules)
      await putRole(hub, role, ...rules)
    })
  } else if (what === 9 && actor.made !== undefined) {
    const { made } = actor
    await world.change(`${actor.name} loses its credential`, async () => {
      actor.made = undefined
      await revoke(hub, made)
    })
  } else if (what === 10 && actor.is === 'device' && actor.made !== undefined) {
    const isDisabled = !actor.disabled
    await world.change(`${actor.name} is ${isDisabled ? 'disabled' : 'enabled'}`, async () => {
      actor.disabled = isDisabled
      await setDisabled(hub, actor.name, isDisabled)
    })
  }
  if (actor.listener === undefined && random(3) > 0) {
    if (actor.made === undefined) await actor.give()
    log.push(`${actor.name} comes back (${actor.wire})`)
    back.add(actor)
    await actor.come()
    await world.settle()
  }
}

async function run(t: TestContext, seed: number): Promise<void> {
  const world = new World(t, await startHub(t), randomFrom(seed))
  const { random, actors, hub } = world
  failures.set(world, [])
  groups.set(world, new Set())
  try {
    for (const role of ['r1', 'r2', 'r3']) {
      const wide: Rule[] = role === 'r1' ? [allow(['publish', 'subscribe', 'retain'], '#')] : []
      world.roles.set(role, [...wide, ...randomRules(random)])
      await putRole(hub, role, ...(world.roles.get(role) as Rule[]))
    }
    const shuffled = wires.map((_, at) => wires[(at + seed) % wires.length] as string)
    for (const [at, [is, name]] of (
      [
        ['device', 'd1'],
        ['device', 'd2'],
        ['key', 'k1'],
        ['key', 'k2'],
        ['device', 'd3'],
        ['key', 'k3'],
      ] as const
    ).entries()) {
      const actor = new Actor(world, is, name, `r${1 + random(3)}`, shuffled[at] as string)
      actors.push(actor)
      await actor.give()
      await actor.come()
    }
    for (let at = 0; at < steps; at++) {
      await step(world)
      const [failure] = failures.get(world) as Error[]
      if (failure !== undefined) throw failure
    }
    t.diagnostic(`${world.published.size} published, ${world.delivered} delivered`)
  } catch (error) {
    const { message } = error as Error
    throw new Error(`MOORING_SECURITY_SEED=${seed}: ${message}\n${world.log.join('\n')}`, { cause: error })
  }
}

for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
  test(
    `what is delivered is allowed at that moment, and what is allowed arrives (MOORING_SECURITY_SEED=${seed})`,
    { timeout: 120_000 },
    (t) => run(t, seed),
  )
}
