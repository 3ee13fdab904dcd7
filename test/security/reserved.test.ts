// What the hub says of itself, and what a deny rule cuts out of something larger: by each way a message can come.
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { startHub } from '../kit/hub.ts'
import { helloJson } from '../kit/json.ts'
import { moor } from '../kit/mqtt.ts'
import { allow, answerTo, ask, bearer, deny, giveDevice, keyWith, moorAs, putRole } from './kit.ts'
import { listeners } from './listeners.ts'

const hub = await startHub({ after } as unknown as TestContext, { sysIntervalSeconds: 1 })
const device = await giveDevice(hub, 'dev')
const denied = await keyWith(
  hub,
  'cut',
  allow(['subscribe', 'publish'], '#'),
  deny(['subscribe'], '+/secret/#'),
  deny(['subscribe'], 'devices/hidden/#'),
)

test('$SYS is not for a device, by any filter, shared or not; nor is it published to', async (t) => {
  for (const version of [4, 5] as const) {
    const client = await moorAs(t, hub, device, `dev:${version}`, version)
    const filters = [
      '$SYS/#',
      '$SYS/broker/uptime',
      '$SYS/+/#',
      '#',
      '+/#',
      '$share/g/#',
      '$share/g/$SYS/#',
      '$share/g/$SYS/broker/uptime',
      '$share/devices/dev/#',
      '$share/g/+/#',
    ]
    for (const filter of filters) {
      const { granted } = await client.subscribe(filter)
      assert.equal(granted[0], version === 5 ? 0x87 : 0x80, `${filter} of ${version}`)
    }
    client.sendPublish('$SYS/broker/uptime', '1', { qos: 1, messageId: 9 })
    assert.equal((await client.next('puback', 9)).reasonCode, version === 5 ? 0x87 : undefined)
    assert.deepEqual(await client.leftovers(), [])
  }
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/retained?filter=%24SYS%2F%23', device), [403, 'not-allowed'])
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/messages?filter=%24SYS%2F%23', device), [403, 'not-allowed'])
})

test('a queue subscription does not beat a deny rule (NATS)', async (t) => {
  const client = await moorAs(t, hub, denied, 'queue')
  for (const filter of ['a/secret/#', 'a/secret', '$share/g/a/secret', '$share/g/+/secret/#', '$share/g/devices/hidden/telemetry']) {
    assert.equal((await client.subscribe(filter)).granted[0], 0x87, filter)
  }
  assert.equal((await client.subscribe('$share/g/#', { qos: 1 })).granted[0], 1)
  for (const topic of ['a/secret', 'a/secret/b', 'a/open']) await ask(hub, 'POST', '/v1/publish', { topic, text: topic })
  assert.deepEqual(await client.takenTexts(), ['a/open'])
})

test('a group gives what one member may not have to one that may', async (t) => {
  const [cut, whole] = [await moorAs(t, hub, denied, 'member 1'), await moor(t, hub, 'member 2', 5)]
  for (const member of [cut, whole]) await member.subscribe('$share/two/b/#', { qos: 1 })
  for (let at = 0; at < 6; at++) await ask(hub, 'POST', '/v1/publish', { topic: 'b/secret', text: `${at}` })
  assert.deepEqual(await whole.takenTexts(), ['0', '1', '2', '3', '4', '5'])
  assert.deepEqual(await cut.takenTexts(), [])
})

for (const [wire, open] of Object.entries(listeners)) {
  test(`${wire}: retained, replayed and live messages below a deny rule stay away, others of the same subscription come`, async (t) => {
    const root = `r${wire.replaceAll(/\W/g, '')}`
    for (const topic of [`${root}/secret`, `${root}/open`])
      await ask(hub, 'POST', '/v1/publish', { topic, text: `kept ${topic}`, retain: true })
    const got: string[] = []
    let told: () => void = () => {}
    const listener = await open(t, hub, {
      token: denied.secret,
      clientId: `listens ${wire}`,
      filters: ['#'],
      onMessage({ topic, text }) {
        if (topic.startsWith(root) || topic === 'mark') got.push(text)
        told()
      },
    })
    if (wire.includes('MQTT') || wire.includes('JSON'))
      assert.equal(await listener.subscribe('#', wire.includes('3.1.1') ? undefined : 100), true)
    for (const topic of [`${root}/secret`, `${root}/secret/deep`, `${root}/open`])
      await ask(hub, 'POST', '/v1/publish', { topic, text: `live ${topic}` })
    await ask(hub, 'POST', '/v1/publish', { topic: 'mark', text: 'mark' })
    while (!got.includes('mark')) await new Promise<void>((resolve) => (told = resolve))
    assert.ok(got.includes(`live ${root}/open`) && got.includes(`kept ${root}/open`), `${got}`)
    assert.deepEqual(
      got.filter((text) => text.includes('secret')),
      [],
    )
    listener.cut()
  })
}

test('history by cursor and time goes by the rules of now: what was allowed when it was published may not be any more', async (t) => {
  const made = await keyWith(hub, 'historian', allow(['subscribe'], '#'))
  for (const text of ['1', '2'])
    for (const topic of ['h/then', 'h/now']) await ask(hub, 'POST', '/v1/publish', { topic, text: `${topic} ${text}` })
  await putRole(hub, 'historian', allow(['subscribe'], 'h/#'), deny(['subscribe'], 'h/then'))
  const mqtt = await moorAs(t, hub, made, 'historian', 5)
  await mqtt.subscribe('h/#', { qos: 1, userProperties: { since: '2020-01-01T00:00:00Z' } })
  assert.deepEqual(await mqtt.texts(2), ['h/now 1', 'h/now 2'])
  const json = await helloJson(t, hub, { token: made.secret, subscribe: [{ filter: 'h/#', last: 4 }] })
  assert.deepEqual(
    (await json.messages(2)).map(({ text }) => text),
    ['h/now 1', 'h/now 2'],
  )
  assert.deepEqual(await json.leftovers(), [])
  const stop = new AbortController()
  t.after(() => stop.abort())
  const response = await fetch(`${hub.url}/v1/messages?filter=h%2F%23&last=4`, { headers: bearer(made), signal: stop.signal })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  while (!text.includes('h/now 2')) text += Buffer.from((await reader.read()).value ?? []).toString()
  assert.doesNotMatch(text, /h\/then/)
})

test('what waited for an absent client goes by the rules of its return', async (t) => {
  const made = await keyWith(hub, 'absent', allow(['subscribe'], '#'))
  const options = { clean: false, properties: { sessionExpiryInterval: 600 } }
  const before = await moorAs(t, hub, made, 'absent', 5, options)
  await before.subscribe('q/#', { qos: 2 })
  await before.leave()
  for (const qos of [1, 2])
    for (const topic of ['q/lost', 'q/kept']) await ask(hub, 'POST', '/v1/publish', { topic, text: `${topic} ${qos}`, qos })
  await putRole(hub, 'absent', allow(['subscribe'], 'q/kept'))
  const again = await moorAs(t, hub, made, 'absent', 5, options)
  assert.equal(again.connack.sessionPresent, true)
  assert.deepEqual(await again.texts(2), ['q/kept 1', 'q/kept 2'])
  assert.deepEqual(await again.leftovers(), [])
})

test('readings of a hidden device are not had by any query, though the rest may be', async () => {
  for (const id of ['hidden', 'shown']) await ask(hub, 'POST', `/v1/devices/${id}/telemetry`, { secretly: 1 })
  const paths = [
    '/v1/latest',
    '/v1/telemetry/points',
    '/v1/telemetry/buckets?every=1h',
    '/v1/telemetry/chart',
    '/v1/export',
    '/v1/events',
    '/v1/devices',
    '/v1/devices/hidden',
    '/v1/devices/hidden/telemetry',
    '/v1/devices/hidden/series',
    '/v1/latest?device=shown&device=hidden',
  ]
  for (const path of paths) assert.deepEqual(await answerTo(hub, 'GET', path, denied), [403, 'not-allowed'], path)
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/sql', denied, '{"sql":"select 1"}'), [403, 'not-allowed'])
  assert.equal((await fetch(`${hub.url}/v1/latest?device=shown`, { headers: bearer(denied) })).status, 200)
})
