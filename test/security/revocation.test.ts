// Who may stay no longer is closed within a second, on each wire in its own words, and does not come back.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { after, type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { startHub } from '../kit/hub.ts'
import { within } from '../kit/log.ts'
import { moor } from '../kit/mqtt.ts'
import { allow, ask, bearer, deny, giveDevice, giveKey, keyWith, type Made, moorAs, putRole, revoke, setDisabled } from './kit.ts'
import { listeners } from './listeners.ts'

const hub = await startHub({ after } as unknown as TestContext)

/** What a client hears last, by what ended its credential, and what it hears when it comes again. */
const words: Readonly<Record<string, { readonly ended: string; readonly disabled: string }>> = {
  'MQTT 5': { ended: '0x87', disabled: '0x87' },
  'MQTT 3.1.1': { ended: 'close', disabled: 'close' },
  'MQTT 5 over WebSocket': { ended: '0x87', disabled: '0x87' },
  'JSON over WebSocket': { ended: '1008', disabled: '1008' },
  'events of a session': { ended: 'error credential-ended', disabled: 'error device-disabled' },
  'long-poll': { ended: '401', disabled: '403' },
}

/** Within a second and what the machine takes to say it; an end by time is seen by a wheel that turns once a second. */
const promisedMs = 1000
const patienceMs = 2500

/** Resolves with the milliseconds it took. */
async function timed(ended: Promise<string>, expected: string): Promise<number> {
  const startMs = performance.now()
  assert.equal(await within(`the end: ${expected}`, () => ended), expected)
  return performance.now() - startMs
}

for (const [wire, open] of Object.entries(listeners)) {
  const name = wire.replaceAll(/[ .]/g, '-')
  const opening = (made: Made, clientId: string) => ({ token: made.secret, clientId, filters: [`devices/${clientId}/#`], onMessage() {} })

  test(`${wire}: a revoked credential closes at once`, async (t) => {
    const made = await giveDevice(hub, name)
    const { ended } = await open(t, hub, opening(made, name))
    await revoke(hub, made)
    const tookMs = await timed(ended, (words[wire] as { ended: string }).ended)
    assert.ok(tookMs < promisedMs, `${tookMs} ms`)
    await assert.rejects(open(t, hub, opening(made, name)), /refused with (401|134|4|bad-credentials)/)
  })

  test(`${wire}: a disabled device is closed at once, and comes back when it is enabled`, async (t) => {
    const device = `${name}-off`
    const made = await giveDevice(hub, device)
    const { ended } = await open(t, hub, opening(made, device))
    await setDisabled(hub, device, true)
    const tookMs = await timed(ended, (words[wire] as { disabled: string }).disabled)
    assert.ok(tookMs < promisedMs, `${tookMs} ms`)
    await assert.rejects(open(t, hub, opening(made, device)), /refused with/)
    await setDisabled(hub, device, false)
    await open(t, hub, opening(made, device))
  })

  test(`${wire}: a credential whose time is over closes within a second of it`, async (t) => {
    const device = `${name}-over`
    const until = Date.now() + 2000
    const made = await giveDevice(hub, device, { until })
    const { ended } = await open(t, hub, opening(made, device))
    await timed(ended, (words[wire] as { ended: string }).ended)
    const lateMs = Date.now() - until
    assert.ok(lateMs >= 0 && lateMs < patienceMs, `${lateMs} ms late`)
    t.diagnostic(`${lateMs} ms after its end`)
    await assert.rejects(open(t, hub, opening(made, device)), /refused with/)
  })
}

test('a second credential of the same device, on another connection, stays', async (t) => {
  const [first, second] = [await giveDevice(hub, 'rotating'), await giveDevice(hub, 'rotating')]
  const old = await moorAs(t, hub, first, 'rotating')
  const fresh = await moorAs(t, hub, second, 'rotating:2')
  await revoke(hub, first)
  assert.equal((await old.goodbye())?.code, 0x87)
  await fresh.ping()
})

test('streams of events without a session, of changes, and the socket of the dashboard', async (t) => {
  for (const path of ['/v1/messages?filter=%23', '/v1/events', '/v1/events?device=one']) {
    const made = await giveKey(hub, 'reader')
    const stop = new AbortController()
    t.after(() => stop.abort())
    const response = await fetch(hub.url + path, { headers: bearer(made), signal: stop.signal })
    assert.equal(response.status, 200, path)
    await revoke(hub, made)
    assert.match(await within(path, () => response.text()), /event: ?error\ndata: ?\{.*credential-ended/s, path)
  }
  const made = await giveKey(hub, 'looker')
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/live`, 'mooring.live', { headers: bearer(made) })
  t.after(() => socket.terminate())
  await once(socket, 'message')
  const closed = once(socket, 'close') as Promise<[number]>
  await revoke(hub, made)
  assert.equal((await within('the close', () => closed))[0], 1008)
})

test('a role that may read no longer all ends what shows all, and what shows a device it may not read', async (t) => {
  const made = await keyWith(hub, 'seer', allow(['subscribe'], '#'))
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/live`, 'mooring.live', { headers: bearer(made) })
  t.after(() => socket.terminate())
  await once(socket, 'message')
  const events = (path: string) => fetch(hub.url + path, { headers: bearer(made) })
  const shown = [await events('/v1/events'), await events('/v1/events?device=b')]
  const stop = new AbortController()
  t.after(() => stop.abort())
  const kept = await fetch(`${hub.url}/v1/events?device=a`, { headers: bearer(made), signal: stop.signal })
  const closed = once(socket, 'close')
  await putRole(hub, 'seer', allow(['subscribe'], 'devices/a/#'))
  assert.equal(((await within('the close', () => closed)) as [number])[0], 1008)
  for (const one of shown) assert.match(await within('the last event', () => one.text()), /event: ?error\ndata: ?\{.*not-allowed/s)
  const reader = (kept.body as ReadableStream<Uint8Array>).getReader()
  await ask(hub, 'POST', '/v1/devices/a/telemetry', { still: 'here' })
  let text = ''
  while (!text.includes('still')) text += Buffer.from((await reader.read()).value ?? []).toString()
  assert.doesNotMatch(text, /not-allowed/)
})

test('a role that loses a subscription closes its connection; one that keeps it goes on', async (t) => {
  const made = await keyWith(hub, 'narrowed', allow(['subscribe'], '#'))
  const [wide, narrow] = [await moorAs(t, hub, made, 'wide'), await moorAs(t, hub, made, 'narrow')]
  await wide.subscribe('#')
  await narrow.subscribe('a/#')
  await putRole(hub, 'narrowed', allow(['subscribe'], 'a/#'), deny(['subscribe'], 'a/secret'))
  assert.equal((await wide.goodbye())?.code, 0x87)
  const pump = await moor(t, hub, 'speaks')
  for (const topic of ['a/secret', 'a/open']) await pump.publish(topic, topic, { qos: 1 })
  assert.deepEqual(await narrow.takenTexts(), ['a/open'])
})

test('the last line of a stream says why', async () => {
  for (const path of ['/v1/devices/streamer/stream', '/v1/stream', '/v1/stream?client=streamer']) {
    const made = await giveDevice(hub, 'streamer')
    const up = request(hub.url + path, { method: 'POST', headers: bearer(made) })
    up.write('\n')
    const [response] = (await once(up, 'response')) as [AsyncIterable<Buffer>]
    await revoke(hub, made)
    let text = ''
    const all = async () => {
      for await (const chunk of response) text += chunk.toString()
    }
    await within('the last line', all)
    assert.match(text, /"next":1,"code":"credential-ended".*"retry":false\}\n$/, path)
    up.destroy()
  }
})

test('an import under way, a body that is slow, and a stored right are cut off with the credential', async (t) => {
  const ear = await moor(t, hub, 'ear of the import', 5)
  await ear.subscribe('devices/importer/#')
  const made = await giveDevice(hub, 'importer')
  const up = request(`${hub.url}/v1/import?format=line-protocol`, { method: 'POST', headers: bearer(made) })
  const cut = new Promise<void>((resolve) => up.on('error', () => resolve()).on('response', () => assert.fail('it was answered')))
  up.write('m,device=importer a=1 1\n')
  await once(up, 'socket')
  await ask(hub, 'GET', '/v1/keys')

  const second = await giveDevice(hub, 'importer')
  const body = '{"a":1}'
  const slow = request(`${hub.url}/v1/devices/importer/telemetry`, {
    method: 'POST',
    headers: { ...bearer(second), 'content-length': body.length },
  })
  slow.write(body.slice(0, 3))
  await ask(hub, 'GET', '/v1/keys')
  await ask(hub, 'GET', '/v1/keys')
  await revoke(hub, second)
  await revoke(hub, made)
  slow.end(body.slice(3))
  const [answer] = (await once(slow, 'response')) as [{ statusCode: number; resume(): void }]
  answer.resume()
  assert.ok(answer.statusCode === 401 || answer.statusCode === 403, `${answer.statusCode}`)
  await within('the cut', () => cut)
  assert.deepEqual(
    (await ear.takenTexts()).filter((text) => text === body),
    [],
  )
})

test('who comes in the moment in which it may not any more does not stay, however it comes', async (t) => {
  await putRole(hub, 'tagged', allow(['subscribe'], 'sites/%t(site)/#')) // tags are read from the disk between the proof and the session
  for (let round = 0; round < 30; round++) {
    const device = `late-${round}`
    const made = await giveDevice(hub, device, { role: 'tagged' })
    const opening = { token: made.secret, clientId: device, filters: [], onMessage() {} }
    const [wire] = ['MQTT 5', 'JSON over WebSocket', 'events of a session'].slice(round % 3)
    const coming = listeners[wire as string]?.(t, hub, opening).then(
      ({ ended }) => ended,
      () => 'refused',
    )
    for (let turns = round; turns > 0; turns--) await new Promise(setImmediate)
    await revoke(hub, made)
    await within(`the end of ${device} over ${wire}`, () => coming as Promise<string>)
  }
})
