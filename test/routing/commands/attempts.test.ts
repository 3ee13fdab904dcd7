// How often a command is handed to a wire: what a session sends again by itself is no other attempt, what was lost is one more, up to a bound,
// and the hub may be started anew in between.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { limits, MiB } from '../../../hub/limits.ts'
import { HandClock } from '../../kit/clock.ts'
import { follow, jsonOf, overHttp1 } from '../../kit/events.ts'
import { newFolder, startHub, type TestHub } from '../../kit/hub.ts'
import { helloJson } from '../../kit/json.ts'
import { moor, type TestClient } from '../../kit/mqtt.ts'
import { mountTmpfs } from '../../store/kit.ts'
import { call, idIn, look, put, reaches, reply, type Shown, send, states } from './kit.ts'

const filter = 'devices/pump-7/commands/+'
const lasting = { clean: false }

async function silent(t: TestContext, hub: TestHub, options: object = {}): Promise<TestClient> {
  const pump = await moor(t, hub, 'pump-7', 4, options)
  pump.answers = false
  return pump
}

/** Comes back once the hub knows that the device is gone. */
async function lost(hub: TestHub, pump: TestClient): Promise<void> {
  pump.pullCable()
  for (;;) {
    const { connected } = (await hub.get('/v1/devices/pump-7')) as { connected: boolean }
    if (!connected) return
  }
}

/** A session that is kept was sent it, and its wire was cut before it could acknowledge it. */
async function sentAndLost(t: TestContext, hub: TestHub): Promise<Shown> {
  await put(hub, 'pump-7')
  const pump = await silent(t, hub, lasting)
  await pump.subscribe(filter, { qos: 1 })
  const command = await send(hub, 'pump-7', { name: 'stop' })
  await pump.next('publish')
  await lost(hub, pump)
  return command
}

test('a device that slept finds what it was asked, once it subscribes', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const command = await send(hub, 'pump-7', { name: 'stop' })
  const pump = await moor(t, hub, 'pump-7')
  assert.equal((await look(hub, command)).state, 'queued', 'it has not said that it wants commands')
  await pump.subscribe(filter, { qos: 1 })
  assert.equal(idIn(await pump.next('publish')), command.id)
  await reaches(hub, command, 'received')
  assert.deepEqual(await pump.leftovers(), [])
})

test('what was lost before it was acknowledged is sent again, as often as it says and no more', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const twice = await send(hub, 'pump-7', { name: 'twice', attempts: 2 })
  const once = await send(hub, 'pump-7', { name: 'once', attempts: 1 })
  const got: string[][] = []
  for (let round = 0; round < 3; round++) {
    const pump = await silent(t, hub)
    await pump.subscribe(filter, { qos: 1 })
    await pump.settle()
    got.push((await pump.taken()).map(idIn))
    await lost(hub, pump)
  }
  assert.deepEqual(got, [[twice.id, once.id], [twice.id], []])
  const shown = await look(hub, twice)
  assert.deepEqual(shown.attempts, { made: 2, most: 2 })
  assert.deepEqual(states(shown), ['queued', 'sent', 'sent'])
  const pump = await moor(t, hub, 'pump-7')
  await reply(pump, { topic: `devices/pump-7/commands/${once.id}` }, { status: 'done' })
  assert.equal((await look(hub, once)).state, 'done', 'what it has done without saying that it had it counts')
})

test('a session that is kept sends it again itself: one attempt, with DUP, and nothing beside it', async (t) => {
  const hub = await startHub(t)
  const command = await sentAndLost(t, hub)
  const again = await silent(t, hub, lasting)
  const message = await again.next('publish')
  assert.deepEqual([idIn(message), message.dup], [command.id, true])
  assert.deepEqual(await again.leftovers(), [])
  again.acknowledge('puback', message.messageId)
  assert.equal((await reaches(hub, command, 'received')).attempts.made, 1)
})

test('a session that begins anew has lost it, so it is one more attempt', async (t) => {
  const hub = await startHub(t)
  const command = await sentAndLost(t, hub)
  const again = await moor(t, hub, 'pump-7')
  await again.subscribe(filter, { qos: 1 })
  const message = await again.next('publish')
  assert.deepEqual([idIn(message), message.dup], [command.id, false])
  assert.equal((await reaches(hub, command, 'received')).attempts.made, 2)
})

test('nothing is in the outbox of a session that is away', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7', 4, lasting)
  await pump.subscribe(filter, { qos: 1 })
  await lost(hub, pump)
  const [first, second] = [await send(hub, 'pump-7', { name: 'a' }), await send(hub, 'pump-7', { name: 'b' })]
  assert.equal((await look(hub, first)).state, 'queued')
  await fetch(`${hub.url}/v1/commands/${first.id}`, { method: 'DELETE' })
  const again = await moor(t, hub, 'pump-7', 4, lasting)
  assert.equal(idIn(await again.next('publish')), second.id)
  assert.deepEqual(await again.leftovers(), [])
})

test('after a restart what was queued is sent, what a kept session has in flight comes from there, and what is over is not sent', async (t) => {
  const folder = newFolder(t)
  const before = await startHub(t, { data: folder })
  await put(before, 'pump-7', 'pump-8')
  const pump = await silent(t, before, lasting)
  await pump.subscribe(filter, { qos: 1 })
  const flying = await send(before, 'pump-7', { name: 'a' })
  await pump.next('publish')
  const eight = await moor(t, before, 'pump-8')
  eight.answers = false
  await eight.subscribe('devices/pump-8/commands/+', { qos: 1 })
  const fallen = await send(before, 'pump-8', { name: 'c' })
  await eight.next('publish')
  await lost(before, pump)
  const [queued, cancelled] = [await send(before, 'pump-7', { name: 'b' }), await send(before, 'pump-7', { name: 'x' })]
  await fetch(`${before.url}/v1/commands/${cancelled.id}`, { method: 'DELETE' })
  await before.stop()

  const hub = await startHub(t, { data: folder })
  const again = await moor(t, hub, 'pump-7', 4, lasting)
  const messages = await again.messages(2)
  assert.deepEqual(
    messages.map((message) => [idIn(message), message.dup]).sort(),
    [
      [flying.id, true],
      [queued.id, false],
    ].sort(),
  )
  assert.deepEqual(await again.leftovers(), [])
  assert.equal((await reaches(hub, flying, 'received')).attempts.made, 1)
  const other = await moor(t, hub, 'pump-8')
  await other.subscribe('devices/pump-8/commands/+', { qos: 1 })
  assert.equal(idIn(await other.next('publish')), fallen.id)
  assert.equal((await reaches(hub, fallen, 'received')).attempts.made, 2)
  await reply(other, { topic: `devices/pump-8/commands/${fallen.id}` }, { status: 'done' })
  assert.equal((await look(hub, fallen)).state, 'done')
})

// ── the other wires ──

interface Polled {
  readonly commands: readonly { readonly id: string; readonly name: string; readonly params: unknown }[]
  readonly cursor: string
}

const polled = async (hub: TestHub, query: string) =>
  (await jsonOf(await overHttp1(`${hub.url}/v1/devices/pump-7/commands?${query}`))) as unknown as Polled

test('a long-poll that waits for nothing brings what is queued, and the next request acknowledges it', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const command = await send(hub, 'pump-7', { name: 'stop', params: [1] })
  const { commands } = await polled(hub, 'wait=0')
  assert.deepEqual(
    commands.map(({ id, name, params }) => ({ id, name, params })),
    [{ id: command.id, name: 'stop', params: [1] }],
  )
  assert.equal((await look(hub, command)).state, 'sent')
  assert.deepEqual((await polled(hub, 'wait=0')).commands, [])
  await reaches(hub, command, 'received')
  assert.equal((await hub.post(`/v1/devices/pump-7/replies/${command.id}`, { status: 'done', result: 1 })).status, 200)
  assert.equal((await look(hub, command)).state, 'done')
})

test('a poll that says by its cursor where it goes on is believed, also after a restart', async (t) => {
  const folder = newFolder(t)
  const before = await startHub(t, { data: folder })
  await put(before, 'pump-7')
  const first = await send(before, 'pump-7', { name: 'a' })
  const { cursor } = await polled(before, 'wait=0')
  await before.stop()
  const hub = await startHub(t, { data: folder })
  assert.equal((await look(hub, first)).state, 'sent')
  const second = await send(hub, 'pump-7', { name: 'b' })
  const { commands } = await polled(hub, `wait=0&after=${cursor}`)
  assert.deepEqual(
    commands.map(({ id }) => id),
    [second.id],
  )
  await reaches(hub, first, 'received')
  assert.equal((await look(hub, second)).state, 'sent')
})

test('over a WebSocket of JSON the acknowledgement of its cursor counts, and the reply is a frame', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const pump = await helloJson(t, hub, { client: 'pump-7' })
  await pump.do({ is: 'subscribe', filter })
  const answer = call(hub, 'pump-7', { name: 'stop' })
  const frame = await pump.next('command')
  const command = { id: frame.id as string } as Shown
  assert.equal((await look(hub, command)).state, 'sent')
  await pump.do({ is: 'ack', cursor: frame.cursor })
  await reaches(hub, command, 'received')
  await pump.do({ is: 'reply', command: frame.id, status: 'progress', result: 50 })
  await pump.do({ is: 'reply', command: frame.id, status: 'done', result: 'ok' })
  assert.deepEqual((await answer).command.result, 'ok')
})

test('over events it is received when the device says so, or goes on behind it', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const url = `${hub.url}/v1/session/events?client=pump-7&expiry=600&filter=${encodeURIComponent(filter)}`
  const stream = await follow(t, url)
  const command = await send(hub, 'pump-7', { name: 'stop' })
  const event = await stream.next()
  assert.equal(event.type, 'command')
  assert.equal((await look(hub, command)).state, 'sent')
  const { lastEventId } = stream
  stream.answer.cut()
  await follow(t, url, { 'last-event-id': lastEventId })
  assert.equal((await reaches(hub, command, 'received')).attempts.made, 1)
})

test('what a full disk kept from being sent goes out by itself when there is room again', async (t) => {
  const folder = newFolder(t)
  if (!mountTmpfs(t, folder, limits.diskReserveBytes + 32 * MiB)) return
  const clock = new HandClock()
  const hub = await startHub(t, { data: folder }, clock)
  await put(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7')
  const { id } = await send(hub, 'pump-7', { name: 'stop' })
  const ballast = join(folder, 'ballast')
  assert.throws(() => writeFileSync(ballast, Buffer.alloc(limits.diskReserveBytes + 64 * MiB)), /ENOSPC/)
  await pump.subscribe(filter, { qos: 1 })
  while (hub.hub.store.figures().commitFailures === 0) await look(hub, { id })
  rmSync(ballast)
  assert.equal((await look(hub, { id })).state, 'queued')
  const message = pump.next('publish')
  let isThere = false
  void message.then(() => (isThere = true))
  while (!isThere) {
    clock.advance(1)
    await hub.get('/v1/devices/pump-7')
  }
  assert.equal(idIn(await message), id)
  assert.deepEqual(states(await reaches(hub, { id }, 'received')), ['queued', 'sent', 'received'])
})
