// mooring conversations, as a process against a hub with an extension and a device that answers.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hubWith, mine } from '../extend/kit.ts'
import { moor } from '../kit/mqtt.ts'
import { run } from './run.ts'

const talk = mine((hub) =>
  hub.conversation<{ bytes?: Uint8Array; what?: unknown }>('talk', async (device, { bytes, what }, signal) => {
    await device.send('talk/question', { what, bytes: bytes === undefined ? null : Buffer.from(bytes).toString() })
    const { is } = await device.next<{ is: string }>('talk/answer', { withinSeconds: 60 })
    signal.throwIfAborted()
    if (is === 'no') throw new Error('the device said no')
    return is
  }),
)

test('a conversation is begun, followed to its end, listed and cancelled', async (t) => {
  const hub = await hubWith(t, [talk])
  const mooring = (...args: string[]) => run(t, ['conversations', ...args, '--url', hub.url])
  await hub.post('/v1/devices', { id: 'pump' })
  const pump = await moor(t, hub, 'pump')
  await pump.subscribe('devices/pump/talk/question', { qos: 1 })
  const question = async () => (await pump.next('publish')).payload.toString()
  const answer = (is: string) => pump.publish('devices/pump/talk/answer', JSON.stringify({ is }), { qos: 1 })

  const followed = mooring('begin', 'pump', 'talk', 'what={"n":[1]}', '--follow')
  assert.equal(await question(), '{"what":{"n":[1]},"bytes":null}')
  await answer('rain')
  const { code, stdout, stderr } = await followed
  assert.deepEqual([code, stdout], [0, '"rain"\n'])
  assert.match(stderr, /mooring: talk with pump is done\.\n$/)

  const image = join(hub.folder, 'image.bin')
  writeFileSync(image, 'abc')
  const refused = mooring('begin', 'pump', 'talk', 'what=7', '--file', image, '--follow')
  assert.equal(await question(), '{"what":"7","bytes":"abc"}')
  await answer('no')
  const { code: failed, stderr: why } = await refused
  assert.deepEqual([failed, why.split('\n').at(-2)], [1, 'mooring: talk with pump is failed: the device said no.'])

  const begun = await mooring('begin', 'pump', 'talk')
  await question()
  const id = begun.stdout.trim()
  assert.match((await mooring('list', 'pump')).stdout, new RegExp(`${id} +talk +running +waits for talk/answer `))
  assert.deepEqual(await mooring('cancel', 'pump', id), { code: 0, stdout: '', stderr: 'mooring: cancelled talk with pump.\n' })
  const states = (JSON.parse((await mooring('pump', '--json')).stdout) as { conversations: { state: string }[] }).conversations
  assert.deepEqual(
    states.map(({ state }) => state),
    ['cancelled', 'failed', 'done'],
  )

  const cases: [string[], number, RegExp][] = [
    [['begin', 'pump', 'talk', '--file', image], 2, /a PARAM=VALUE says what it is/],
    [['begin', 'pump', 'talk', 'v=1', '--file', '/nowhere'], 1, /ENOENT/],
    [['begin', 'pump', 'sing'], 1, /sing/],
    [['cancel', 'pump', id], 1, /is over/],
  ]
  for (const [words, exit, sentence] of cases) {
    const ended = await mooring(...words)
    assert.equal(ended.code, exit, words.join(' '))
    assert.match(ended.stderr, sentence)
  }
})
