// Client identifiers: another one's opens nothing, and a hostile one neither takes a session nor becomes a wildcard in a rule.
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import { dialJson } from '../kit/json.ts'
import { dial, type Version } from '../kit/mqtt.ts'
import { allow, ask, asPassword, bearer, deny, giveDevice, giveKey, keyWith, type Made, moorAs, setDisabled } from './kit.ts'

const hub = await startHub({ after } as unknown as TestContext)

/** The code of CONNACK. */
async function connack(t: TestContext, at: TestHub, made: Made, clientId: string, version: Version = 5, clean = false): Promise<number> {
  const client = await dial(t, at, version)
  const { reasonCode, returnCode } = await client.connect(clientId, { ...asPassword(made), clean })
  if ((reasonCode ?? returnCode) === 0) await client.leave()
  return (reasonCode ?? returnCode) as number
}

/** What the wires of JSON say; `welcome` for one that is let in. */
async function overJson(t: TestContext, at: TestHub, made: Made, client: string): Promise<string[]> {
  const socket = await dialJson(t, at)
  socket.say({ is: 'hello', token: made.secret, client })
  const { is, code = is } = await socket.next(['welcome', 'error'])
  socket.pullCable()
  const answers = [code]
  for (const path of ['/v1/session/messages?wait=0&', '/v1/session/events?', '/v1/stream?']) {
    const stop = new AbortController()
    const response = await fetch(`${at.url}${path}client=${encodeURIComponent(client)}`, {
      method: path.startsWith('/v1/stream') ? 'POST' : 'GET',
      headers: bearer(made),
      signal: stop.signal,
    })
    answers.push(`${response.status}`)
    stop.abort()
  }
  return answers
}

test('a device comes under its own identifier or one that begins with it, on every wire', async (t) => {
  const made = await giveDevice(hub, 'dev')
  await giveDevice(hub, 'other')
  for (const version of [4, 5] as const) {
    for (const clientId of ['dev', 'dev:1', 'dev:', 'dev:#', 'dev:a/b'])
      assert.equal(await connack(t, hub, made, clientId, version), 0, clientId)
    for (const clientId of ['other', 'other:dev', 'de', 'dev1', 'DEV', 'dev/1', ' dev', '#', '+', 'a/b', '$SYS', '%d', 'dev\u200b']) {
      assert.equal(await connack(t, hub, made, clientId, version), version === 5 ? 0x85 : 2, `${clientId} in ${version}`)
    }
  }
  for (const client of ['other', 'other:1', '#', '+', 'a/b', 'dev1']) {
    assert.deepEqual(await overJson(t, hub, made, client), ['client-id-not-yours', '403', '403', '403'], client)
  }
  assert.deepEqual(await overJson(t, hub, made, 'dev:2'), ['welcome', '200', '200', '200'])
  const path = '/v1/devices/other/commands?wait=0'
  assert.equal((await fetch(hub.url + path, { headers: bearer(made) })).status, 403, 'nor are the commands of another one its own')
})

test('U+0000 is malformed wherever it stands, whoever says it', async (t) => {
  const made = await giveDevice(hub, 'dev')
  for (const version of [4, 5] as const) {
    const client = await dial(t, hub, version)
    client.sendConnect('dev:\0', { ...asPassword(made), clean: true })
    await client.closed
    assert.ok(client.unread.every((packet) => packet.cmd === 'connack' && (packet.reasonCode ?? packet.returnCode) !== 0))
  }
  assert.deepEqual(await overJson(t, hub, made, 'dev:\0').then(([code]) => code), 'client-id-invalid')
})

test('an identifier that the hub chooses for a device is one of its own', async (t) => {
  const client = await dial(t, hub, 5)
  const { properties } = await client.connect('', { ...asPassword(await giveDevice(hub, 'dev')), clean: true })
  assert.match(properties?.assignedClientIdentifier ?? '', /^dev:auto-/)
})

test('a session is its owner’s: others are refused on every wire, also after a restart, and whoever may do everything is not', async (t) => {
  const folder = newFolder(t)
  let at = await startHub(t, { data: folder })
  const [mine, theirs] = [await giveKey(at, 'mine', { role: 'operator' }), await giveKey(at, 'theirs', { role: 'operator' })]
  const properties = { sessionExpiryInterval: 600 }
  const owner = await moorAs(t, at, mine, 'shared name', 5, { clean: false, properties })
  await owner.subscribe('inbox', { qos: 1 })
  await owner.leave()
  await ask(at, 'POST', '/v1/publish', { topic: 'inbox', text: 'for the owner' })
  const refuse = async () => {
    for (const version of [4, 5] as const) {
      for (const clean of [false, true]) assert.equal(await connack(t, at, theirs, 'shared name', version, clean), version === 5 ? 0x85 : 2)
    }
    assert.deepEqual((await overJson(t, at, theirs, 'shared name')).slice(0, 3), ['client-id-not-yours', '403', '403'])
  }
  await refuse()
  await at.stop()
  at = await startHub(t, { data: folder })
  await refuse()
  const again = await moorAs(t, at, mine, 'shared name', 5, { clean: false, properties })
  assert.equal(again.connack.sessionPresent, true)
  assert.deepEqual(await again.texts(1), ['for the owner'])
})

test('a session of nobody’s ends at a start that lets nobody in without credentials, and its will is not published', async (t) => {
  const folder = newFolder(t)
  const first = await startHub(t, { data: folder })
  const properties = { sessionExpiryInterval: 600 }
  const will = { topic: 'gone', payload: Buffer.from('1'), qos: 1, retain: true, properties: { willDelayInterval: 60 } } as const
  const client = await dial(t, first, 5)
  await client.connect('nobody in particular', { clean: false, properties, will })
  await client.subscribe('inbox', { qos: 1 })
  const made = await giveKey(first, 'somebody', { role: 'operator' })
  const other = await moorAs(t, first, made, 'somebody', 5, { clean: false, properties })
  await other.subscribe('inbox', { qos: 1 })
  client.pullCable()
  other.pullCable()
  await first.stop()
  const closed = await startHub(t, { data: folder, allowAnonymous: 'nobody' })
  await closed.stop()
  assert.deepEqual(
    closed.hub.store.retainedAtStart.map(({ topic }) => topic),
    [],
  )
  const open = await startHub(t, { data: folder })
  const again = await dial(t, open, 5)
  assert.equal((await again.connect('nobody in particular', { clean: false })).sessionPresent, false)
  const survives = await moorAs(t, open, made, 'somebody', 5, { clean: false })
  assert.equal(survives.connack.sessionPresent, true)
  assert.deepEqual([...open.hub.store.retainedAtStart], [])
})

test('the session of a device that was disabled while the hub was down, or whose role is gone, gets nothing', async (t) => {
  const folder = newFolder(t)
  let at = await startHub(t, { data: folder })
  const made = await giveDevice(at, 'dormant')
  const properties = { sessionExpiryInterval: 600 }
  const will = {
    topic: 'devices/dormant/gone',
    payload: Buffer.from('1'),
    qos: 1,
    retain: true,
    properties: { willDelayInterval: 1 },
  } as const
  const client = await moorAs(t, at, made, 'dormant', 5, { clean: false, properties, will })
  client.pullCable()
  await client.closed
  await setDisabled(at, 'dormant', true)
  await at.stop()
  at = await startHub(t, { data: folder })
  assert.equal(await connack(t, at, made, 'dormant'), 0x87)
  const { messages } = (await at.get('/v1/retained?filter=%23')) as { messages: unknown[] }
  assert.deepEqual(messages, [], 'nor is its will published')
})

test('%c with a hostile identifier opens nothing, and denies whatever stands there (CVE-2017-7650)', async (t) => {
  const made = await keyWith(
    hub,
    'templated',
    allow(['publish', 'subscribe'], 'own/%c/#'),
    allow(['publish', 'subscribe'], 'all/#'),
    deny(['publish', 'subscribe'], 'all/%c'),
  )
  for (const clientId of ['#', '+', 'a/b', '+/+', 'a#', '$SYS', '%d', 'fine']) {
    const client = await moorAs(t, hub, made, clientId)
    const isUsable = !/[#+/]/.test(clientId)
    for (const filter of ['own/#', 'own/+/x', '#', '+/+/x', 'own/a/b/x', 'own/victim/x', 'own/+/#']) {
      assert.equal((await client.subscribe(filter)).granted[0], 0x87, `${clientId} subscribes to ${filter}`)
    }
    for (const [topic, isAllowed] of [
      ['own/victim/x', false],
      ['own/a/b/x', false],
      [`own/${isUsable ? clientId : 'x'}/x`, isUsable],
      ['all/victim', isUsable], // of a client without a usable name it is not known that it is not the one that is denied
      [`all/${isUsable ? clientId : 'x'}`, false],
      ['all/a/b', true],
    ] as const) {
      const puback = await client.publish(topic, '1', { qos: 1 })
      const code = puback?.cmd === 'puback' ? (puback.reasonCode ?? 0) : -1
      assert.equal(code < 0x80, isAllowed, `${clientId} publishes on ${topic}: ${code}`)
    }
    await client.leave()
  }
})
