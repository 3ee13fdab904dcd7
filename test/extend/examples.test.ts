// The two worked examples of hub/extend/examples, with a real client of MQTT and a real receiver.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { connect } from 'mqtt'
import firmware from '../../hub/extend/examples/firmware.ts'
import { thresholdWebhook } from '../../hub/extend/examples/threshold-webhook.ts'
import { atEnd } from '../kit/at-end.ts'
import { eventually, hubWith, Inbox } from './kit.ts'

for (const clean of [false, true]) {
  test(`a firmware update runs to its end over reconnects of the device, ${clean ? 'each a new session' : 'which keeps its session'}`, async (t) => {
    const hub = await hubWith(t, [firmware])
    const image = Buffer.from(Array.from({ length: 10_000 }, (_, at) => at % 251))
    await hub.post('/v1/devices/pump-7/telemetry', { t: 1 })
    const update = `${hub.url}/v1/devices/pump-7/conversations/firmware-update?version=1.4.2`
    const begun = await fetch(update, { method: 'POST', body: image })
    assert.equal(begun.status, 202)

    const got = Buffer.alloc(image.length)
    const offers: { version: string; bytes: number; sha256: string }[] = []
    let blocks = 0
    let connections = 0
    const done = new Inbox<string>()
    // The device of a field with a bad network: every third block is lost with the connection before it was acknowledged.
    const run = async (): Promise<void> => {
      connections++
      const client = connect(`mqtt://127.0.0.1:${hub.mqttPort}`, { clientId: 'pump-7', clean, reconnectPeriod: 0 })
      atEnd(t, () => client.end(true))
      // Before it is connected: what it is owed comes at once.
      client.handleMessage = ({ topic, payload }, acknowledge) => {
        const [, , , kind, at] = topic.split('/')
        const bytes = payload as Buffer
        if (kind === 'block' && ++blocks % 3 === 0 && connections < 6) {
          client.stream.destroy()
          client.end(true, () => void run())
          return
        }
        if (kind === 'offer') {
          offers.push(JSON.parse(bytes.toString()) as (typeof offers)[number])
          client.publish('devices/pump-7/firmware/ready', '{"blockBytes":1000}', { qos: 1 })
        } else if (kind === 'block') {
          bytes.copy(got, Number(at))
          if (Number(at) + bytes.length === offers[0]?.bytes)
            client.publish('devices/pump-7/firmware/installed', '{"version":"1.4.2"}', { qos: 1 }, () => done.push('installed'))
        }
        acknowledge()
      }
      await client.subscribeAsync('devices/pump-7/firmware/#', { qos: 1 })
    }
    await run()
    await done.until(1)
    const status = async () => {
      const { conversations } = (await hub.get('/v1/devices/pump-7/conversations')) as {
        conversations: { state: string; result: unknown }[]
      }
      return conversations[0]
    }
    await eventually('the end', async () => (await status())?.state !== 'running')
    assert.deepEqual([(await status())?.state, (await status())?.result], ['done', 'installed'])
    assert.ok(connections >= 4, `it came ${connections} times`)
    assert.equal(offers[0]?.version, '1.4.2')
    assert.equal(offers[0]?.sha256, createHash('sha256').update(got).digest('hex'))
  })
}

test('a threshold tells a URL once each way, tries again, and one device does not wait for another', async (t) => {
  const told = new Inbox<{ device: string; state: string; value: number }>()
  let refusals = 2
  const receiver = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += (chunk as Buffer).toString()
    const alarm = JSON.parse(text) as { device: string; state: string; value: number }
    if (alarm.device === 'stuck') return // it is never answered
    if (refusals-- > 0) response.statusCode = 503
    else told.push(alarm)
    response.end()
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  atEnd(t, () => {
    receiver.closeAllConnections()
    receiver.close()
  })
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alarm`
  const limit = { url, metric: 'temperature', above: 80, below: 75, withinMs: 200, retryMs: 1 }
  const hub = await hubWith(t, [thresholdWebhook(limit)])
  await hub.post('/v1/devices/stuck/telemetry', { temperature: 90 })
  for (const temperature of [70, 81, 79, 82, 76, 74, 79, 81]) await hub.post('/v1/devices/boiler/telemetry', { temperature, other: 99 })
  await hub.post('/v1/devices/boiler/telemetry', { temperature: 'broken' })
  await told.until(3)
  assert.deepEqual(
    told.all.map(({ device, state, value }) => [device, state, value]),
    [
      ['boiler', 'high', 81],
      ['boiler', 'normal', 74],
      ['boiler', 'high', 81],
    ],
  )
  await eventually('the stuck one to be given up', async () => (await hub.handler('on telemetry'))['failures'] === 1)
  assert.equal((await hub.handler('on telemetry'))['running'], 0)
})
