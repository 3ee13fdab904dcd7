// kill -9 at each step of a command, and at random moments of many: what was answered is there after the next start, nothing is `received` that
// no device has acknowledged, and what is not over comes to its end.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { IPublishPacket } from 'mqtt-packet'
import { type HubProcess, newFolder, spawnHub } from '../../kit/hub.ts'
import { moor, type TestClient } from '../../kit/mqtt.ts'
import { idIn, look, put, reaches, reply, type Shown, send, states } from './kit.ts'

const filter = 'devices/pump-7/commands/+'

/** What was seen by the time of the kill, what the next start has to show, and how often it was handed to a wire in the end. */
const steps: readonly {
  readonly at: string
  readonly until: (hub: HubProcess, pump: TestClient, command: Shown) => Promise<unknown>
  readonly shows: RegExp
  readonly attempts: Readonly<Record<'kept' | 'lost', number>>
}[] = [
  { at: 'it was answered', until: async () => {}, shows: /^(queued|sent)$/, attempts: { kept: 1, lost: 2 } },
  { at: 'the device has it', until: (_, pump) => pump.next('publish'), shows: /^sent$/, attempts: { kept: 1, lost: 2 } },
  {
    at: 'its acknowledgement is on disk',
    until: async (hub, pump, command) => {
      pump.acknowledge('puback', (await pump.next('publish')).messageId)
      await reaches(hub, command, 'received')
    },
    shows: /^received$/,
    attempts: { kept: 1, lost: 1 },
  },
  {
    at: 'its reply is acknowledged',
    until: async (_, pump) => reply(pump, await pump.next('publish'), { status: 'done', result: 'ok' }),
    shows: /^done$/,
    attempts: { kept: 1, lost: 1 },
  },
]

for (const { at, until, shows, attempts } of steps) {
  for (const session of ['kept', 'lost'] as const) {
    test(`killed when ${at}, by a session that is ${session}`, async (t) => {
      const folder = newFolder(t)
      const hub = await spawnHub(t, folder)
      await put(hub, 'pump-7')
      const pump = await moor(t, hub, 'pump-7', 4, { clean: session === 'lost' })
      pump.answers = false
      await pump.subscribe(filter, { qos: 1 })
      const command = await send(hub, 'pump-7', { name: 'stop' })
      await until(hub, pump, command)
      await hub.kill()

      const again = await spawnHub(t, folder)
      assert.match((await look(again, command)).state, shows)
      const back = await moor(t, again, 'pump-7', 4, { clean: session === 'lost' })
      if (session === 'lost') await back.subscribe(filter, { qos: 1 })
      if ((await look(again, command)).state !== 'done')
        await reply(back, { topic: `devices/pump-7/commands/${command.id}` }, { status: 'done' })
      const shown = await reaches(again, command, 'done')
      assert.ok(shown.attempts.made <= attempts[session], `${shown.attempts.made} attempts`)
      await again.stop()
    })
  }
}

const devices = 8
const window = 4

/** Commands one after the other to each device, which acknowledges and answers all; until the hub is gone. */
async function load(
  t: TestContext,
  hub: HubProcess,
  answered: Map<string, string>,
  acknowledged: Set<string>,
): Promise<() => Promise<void>> {
  let isOver = false
  const sending: Promise<void>[] = []
  for (let n = 0; n < devices; n++) {
    const id = `pump-${n}`
    const pump = await device(t, hub, id, acknowledged)
    await pump.subscribe(`devices/${id}/commands/+`, { qos: 1 })
    const ask = async () => {
      while (!isOver) {
        try {
          const response = await hub.post(`/v1/devices/${id}/commands?wait=20`, { name: 'stop' })
          const command = (await response.json()) as Shown
          answered.set(command.id, command.state)
        } catch {
          return // the hub is gone
        }
      }
    }
    for (let at = 0; at < window; at++) sending.push(ask())
  }
  return async () => {
    isOver = true
    await Promise.all(sending)
  }
}

async function device(t: TestContext, hub: HubProcess, id: string, acknowledged: Set<string>): Promise<TestClient> {
  const pump = await moor(t, hub, id, 4, { clean: false })
  pump.answers = false
  const answer = async () => {
    for (;;) {
      const message: IPublishPacket = await pump.next('publish')
      acknowledged.add(idIn(message))
      pump.acknowledge('puback', message.messageId)
      pump.sendPublish(message.topic.replace('/commands/', '/replies/'), '{"status":"done"}', { qos: 1, messageId: message.messageId ?? 1 })
    }
  }
  answer().catch(() => {}) // ends with its connection, or when nothing comes any more
  return pump
}

test('killed at random moments of many commands', { timeout: 120_000 }, async (t) => {
  const folder = newFolder(t)
  const answered = new Map<string, string>()
  const acknowledged = new Set<string>()
  let hub = await spawnHub(t, folder)
  await put(hub, ...Array.from({ length: devices }, (_, n) => `pump-${n}`))
  for (let round = 0; round < 3; round++) {
    const stop = await load(t, hub, answered, acknowledged)
    const killAt = answered.size + 20 + Math.floor(Math.random() * 200)
    while (answered.size < killAt) await new Promise((resolve) => setImmediate(resolve))
    await hub.kill()
    await stop()
    hub = await spawnHub(t, folder)
    for (const [id, state] of answered) {
      const shown = await look(hub, { id })
      assert.equal(shown.state, state, `${id} was answered as ${state}`)
      assert.deepEqual(states(shown).slice(-1), [state])
    }
    const { commands } = (await hub.get('/v1/commands?limit=1000')) as { commands: Shown[] }
    for (const shown of commands.filter(({ trail }) => trail.some(({ state }) => state === 'received' || state === 'done')))
      assert.ok(acknowledged.has(shown.id), `${shown.id} is ${shown.state} and was never acknowledged`)
    t.diagnostic(`round ${round}: ${answered.size} answered, ${commands.length} looked at`)
  }
  for (let n = 0; n < devices; n++) await device(t, hub, `pump-${n}`, acknowledged)
  for (const open of ['queued', 'sent', 'received']) {
    const { commands } = (await hub.get(`/v1/commands?state=${open}&limit=1000`)) as { commands: Shown[] }
    for (const command of commands) assert.equal((await reaches(hub, command, 'done')).attempts.made, 1, 'their sessions are kept')
  }
  await hub.stop()
})
