// A command as a call of the hub's own parts: what the device answers, or why it does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../../hub/errors.ts'
import { ask } from '../../../hub/routing/commands/ask.ts'
import { startHub } from '../../kit/hub.ts'
import { moor } from '../../kit/mqtt.ts'
import { idIn, look, put, reply } from './kit.ts'

test('it resolves with the result, and rejects with what else came of it', async (t) => {
  const hub = await startHub(t)
  await put(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7')
  await pump.subscribe('devices/pump-7/commands/+', { qos: 1 })
  const options = { withinSeconds: 30, by: 'extension/test' }
  const { commands } = hub.hub
  const speed = ask(commands, 'pump-7', 'speed', { unit: 'rpm' }, options)
  const message = await pump.next('publish')
  await reply(pump, message, { status: 'done', result: 900 })
  assert.equal(await speed, 900)
  assert.equal((await look(hub, { id: idIn(message) })).by, 'extension/test')

  const jammed = ask(commands, 'pump-7', 'stop', {}, options)
  await Promise.all([
    assert.rejects(
      jammed,
      (error) => error instanceof Refusal && error.code === 'command-ended' && /as failed: jammed/.test(error.message),
    ),
    reply(pump, await pump.next('publish'), { status: 'failed', reason: 'jammed' }),
  ])

  const stop = new AbortController()
  const given = ask(commands, 'pump-7', 'stop', {}, { ...options, signal: stop.signal })
  const unanswered = await pump.next('publish')
  stop.abort(new Error('enough'))
  await assert.rejects(given, /enough/)
  assert.equal((await look(hub, { id: idIn(unanswered) })).state, 'cancelled')
  await assert.rejects(ask(commands, 'nobody', 'stop', {}, options), { code: 'device-unknown' })
})
