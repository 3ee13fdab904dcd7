// mooring command and mooring commands, as processes against a hub.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { put, reply } from '../routing/commands/kit.ts'
import { run, start } from './run.ts'

test('a command is sent, waited for, looked at and cancelled', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  const pump = await moor(t, hub, 'pump-7')
  await pump.subscribe('devices/pump-7/commands/+', { qos: 1 })

  const waiting = start(t, 'command', 'pump-7', 'stop', 'speed=0', 'how=gently', '--wait', '20', '--until', 'speed<1', '--url', hub.url)
  const message = await pump.next('publish')
  const { name, params } = JSON.parse(message.payload.toString()) as Record<string, unknown>
  assert.deepEqual([name, params], ['stop', { speed: 0, how: 'gently' }])
  await reply(pump, message, { status: 'done', result: { stopped: true } })
  await pump.publish('devices/pump-7/telemetry', '{"speed":0}', { qos: 1 })
  assert.equal(await waiting.done, 0, waiting.stderr())
  assert.equal(waiting.stdout().toString(), '{"stopped":true}\n')
  assert.match(waiting.stderr(), /^mooring: \w+ of pump-7 is effective\.\n$/)

  await pump.leave()
  const { code, stdout } = await mooring('command', 'pump-7', 'blink', '--params', '[1]', '--expires', '10m', '--attempts', '1')
  assert.equal(code, 0)
  const id = stdout.trim()
  assert.match(
    (await mooring('commands', '--device', 'pump-7', '--state', 'queued')).stdout,
    new RegExp(`^id .*\\n-.*\\n${id} +pump-7 +blink +queued`),
  )
  assert.match((await mooring('commands', 'show', id)).stdout, /^state +at +reason\n.*\nqueued +20/)
  const short = await mooring('command', 'pump-7', 'blink', '--wait', '1')
  assert.deepEqual([short.code, short.stdout], [3, ''])
  assert.match(short.stderr, /is queued so far/)
  assert.equal((await mooring('commands', 'cancel', id)).stderr, `mooring: cancelled ${id}.\n`)
  const again = await mooring('commands', 'cancel', id)
  assert.deepEqual([again.code, /is cancelled already/.test(again.stderr)], [1, true])
})

test('the same is asked of many, and how far it is can be followed', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'a', 'b')
  const mooring = (...args: string[]) => run(t, [...args, '--url', hub.url])
  const sent = await mooring('commands', 'send', 'update', 'to=2', '--device', 'a', '--device', 'b', '--concurrency', '1')
  assert.equal(sent.code, 0, sent.stderr)
  const id = sent.stdout.trim()
  const following = start(t, 'commands', 'progress', id, '--follow', '--url', hub.url)
  for (const [device, status] of [
    ['a', 'done'],
    ['b', 'failed'],
  ] as const) {
    const client = await moor(t, hub, device)
    await client.subscribe(`devices/${device}/commands/+`, { qos: 1 })
    await reply(client, await client.next('publish'), { status })
  }
  assert.equal(await following.done, 3)
  assert.match(following.stderr(), new RegExp(`${id}: 1 done, 1 failed of 2\\.\\n$`))
  assert.match((await mooring('commands', 'progress')).stdout, new RegExp(`${id} +update +\\S+ +2 +1 done, 1 failed +anonymous`))
  assert.match((await mooring('commands', '--bulk', id)).stdout, / b +update +failed/)
})

test('what makes no sense is wrong usage', async (t) => {
  for (const args of [
    ['command', 'pump-7'],
    ['command', 'pump-7', 'x', 'speed'],
    ['command', 'pump-7', 'x', 'a=1', '--params', '{}'],
    ['command', 'pump-7', 'x', '--params', '{'],
    ['command', 'pump-7', 'x', '--expires', 'soon'],
    ['command', 'pump-7', 'x', '--until', 'speed'],
    ['command', 'pump-7', 'x', '--until', 'speed<fast'],
    ['commands', 'progress', '--follow'],
  ]) {
    const { code, stderr } = await run(t, args)
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
  }
})
