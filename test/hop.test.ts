// One cursor on every wire: clients hop between all of them while a publisher goes on and the hub is killed again and again. Each of them sees
// the whole stream once and in order, which is what the journal holds at the end; and everything acknowledged is in it.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type HubProcess, newFolder, spawnHub } from './kit/hub.ts'
import { moor } from './kit/mqtt.ts'
import { type Random, randomFrom } from './kit/random.ts'
import { type Seen, wires } from './kit/wires.ts'

const seed = Number(process.env['MOORING_HOP_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const kills = Number(process.env['MOORING_HOP_KILLS'] ?? 4)
const messagesPerLife = 400
const readers = 6
const window = 8
const filter = 'hop/#'
const last = 'the end'

/** The hub that runs now; whoever meets its end waits for the next one. */
class Lives {
  readonly #t: TestContext
  readonly #folder: string
  #hub: Promise<HubProcess>

  constructor(t: TestContext) {
    this.#t = t
    this.#folder = newFolder(t)
    this.#hub = spawnHub(t, this.#folder)
  }

  get hub(): Promise<HubProcess> {
    return this.#hub
  }

  async kill(): Promise<void> {
    const hub = await this.#hub
    this.#hub = hub.kill().then(() => spawnHub(this.#t, this.#folder))
    await this.#hub
  }
}

/** Publishes numbers until told to stop, again what was not acknowledged when a hub died. Returns what was acknowledged. */
async function publishing(
  t: TestContext,
  lives: Lives,
  random: Random,
  published: (count: number) => void,
  total: number,
): Promise<Set<string>> {
  const acknowledged = new Set<string>()
  const unanswered: string[] = []
  let next = 0
  while (acknowledged.size < total + 1) {
    try {
      const client = await moor(t, await lives.hub, 'publisher', 5)
      const send = async (text: string) => {
        await client.publish(`hop/${random(4)}`, text, { qos: 1 })
        acknowledged.add(text)
        unanswered.splice(unanswered.indexOf(text), 1)
        published(acknowledged.size)
      }
      for (const text of [...unanswered]) await send(text)
      while (next < total) {
        const batch = Array.from({ length: Math.min(1 + random(window), total - next) }, () => `${next++}`)
        unanswered.push(...batch)
        for (const text of batch) await send(text)
      }
      if (!unanswered.includes(last)) unanswered.push(last)
      await send(last)
      await client.leave()
    } catch {} // the hub died: again, with the next one
  }
  return acknowledged
}

/** Reads everything from the cursor on, over one wire and then another, until the end has come. */
async function hopping(
  t: TestContext,
  lives: Lives,
  name: string,
  random: Random,
  begin: string,
  hops: Map<string, number>,
): Promise<Seen[]> {
  const seen: Seen[] = []
  const names = Object.keys(wires)
  while (seen.at(-1)?.text !== last) {
    const wire = names[random(names.length)] as string
    const cursor = seen.at(-1)?.cursor ?? begin
    try {
      const reader = await (wires[wire] as (typeof wires)[string])(t, await lives.hub, name, filter, cursor)
      for (let left = 1 + random(120); left > 0 && seen.at(-1)?.text !== last; left -= 1) seen.push(await reader.next())
      hops.set(wire, (hops.get(wire) ?? 0) + 1)
      await reader.close(random(2) === 0 ? 'cut' : 'politely')
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (/^(gap|error):/.test(error.message)) throw error
    }
  }
  return seen
}

test(`clients that hop between all wires see the stream once, in order, though the hub is killed ${kills} times (MOORING_HOP_SEED=${seed})`, async (t) => {
  const lives = new Lives(t)
  const random = randomFrom(seed)
  const { cursor: begin } = (await (await fetch(`${(await lives.hub).url}/v1/session/messages?client=first&wait=0`)).json()) as Seen
  const total = messagesPerLife * (kills + 1)

  let wake = () => {}
  let count = 0
  const published = (now: number) => {
    count = now
    wake()
  }
  const killing = (async () => {
    for (let kill = 1; kill <= kills; kill += 1) {
      while (count < kill * messagesPerLife) await new Promise<void>((resolve) => (wake = resolve))
      await lives.kill()
    }
  })()
  const hops = new Map<string, number>()
  const [acknowledged, ...streams] = await Promise.all([
    publishing(t, lives, randomFrom(random(2 ** 31)), published, total),
    ...Array.from({ length: readers }, (_, at) => hopping(t, lives, `reader ${at}`, randomFrom(random(2 ** 31)), begin, hops)),
    killing,
  ])

  // The truth: read in one go, when nothing moves any more.
  const truth: Seen[] = []
  const reader = await wires['SSE without a session']!(t, await lives.hub, 'truth', filter, begin)
  while (truth.at(-1)?.text !== last) truth.push(await reader.next())
  await reader.close('cut')

  const texts = new Set(truth.map(({ text }) => text))
  assert.deepEqual(
    [...(acknowledged as Set<string>)].filter((text) => !texts.has(text)),
    [],
    'all that was acknowledged is there',
  )
  for (const stream of streams.slice(0, readers) as Seen[][]) assert.deepEqual(stream, truth)
  for (const wire of Object.keys(wires)) assert.ok((hops.get(wire) ?? 0) > 0, `${wire} was used`)
})
