// --extensions: files of the user, outside of the hub's own folder, in a hub that is a process of its own.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newFolder, spawnHub, type TestHub } from '../kit/hub.ts'
import { eventually } from './kit.ts'

const hello = `
import { extension, type Extension } from 'mooring'
const own: Extension = extension('hello', (hub) => {
  hub.command('greet', { type: 'object' }, ({ device }) => \`hello \${device}\`)
  hub.on('telemetry', {}, ({ device }) => {
    setTimeout(() => { throw new Error('a timer of ' + device) }, 1)
    void Promise.reject(new Error('a promise of ' + device))
    hub.signal.addEventListener('abort', () => { throw new Error('a listener') })
  })
})
export default own
`

async function states(hub: TestHub): Promise<string[]> {
  const { extensions } = (await hub.get('/v1/extensions')) as { extensions: { name: string; state: string; error: string | null }[] }
  return extensions.map(({ name, state, error }) => `${name} ${state} ${error ?? ''}`.trim())
}

test('those of a folder and of a file are there; one that cannot be loaded is named, and the hub starts without it', async (t) => {
  const folder = newFolder(t)
  const own = join(folder, 'own')
  mkdirSync(own)
  writeFileSync(join(own, 'hello.ts'), hello)
  writeFileSync(join(own, 'hello.test.ts'), 'throw new Error("a test")')
  writeFileSync(join(own, 'notes.txt'), 'no extension')
  writeFileSync(join(own, 'broken.ts'), 'export default const')
  writeFileSync(join(own, 'empty.mjs'), 'export const a = 1')
  const single = join(folder, 'single.js')
  writeFileSync(single, "import { extension } from 'mooring'\nexport default extension('single', () => {})\n")
  const hub = await spawnHub(t, join(folder, 'data'), '--extensions', `${own},${single}`)
  const [broken, empty, ...good] = await states(hub)
  assert.match(broken ?? '', /^broken failed/)
  assert.match(empty ?? '', /^empty failed .*empty\.mjs exports no extension by default/)
  assert.deepEqual(good, ['hello ready', 'single ready'])
  assert.match(hub.stderr(), /the extension broken is not there: its set-up failed/)
  const answer = await hub.post('/v1/devices/pump/calls/greet', {})
  assert.deepEqual(await answer.json(), { result: 'hello pump' })
})

test('what an extension throws where nobody can catch it is logged with its name, and the hub goes on', async (t) => {
  const folder = newFolder(t)
  const file = join(folder, 'hello.ts')
  writeFileSync(file, hello)
  const hub = await spawnHub(t, join(folder, 'data'), '--extensions', file)
  assert.equal((await hub.post('/v1/devices/pump/telemetry', { t: 1 })).status, 200)
  const said = 'an extension threw where nobody could catch it'
  await eventually('both to be logged', () => hub.stderr().split(said).length === 3)
  assert.match(hub.stderr(), /"extension":"hello","handler":"on telemetry".*/)
  assert.match(hub.stderr(), /a timer of pump/)
  assert.match(hub.stderr(), /a promise of pump/)
  assert.equal((await hub.post('/v1/devices/pump/telemetry', { t: 2 })).status, 200)
  await hub.stop()
  assert.equal(await hub.exited, 0)
})

test('a path that is not there ends the start with a sentence', async (t) => {
  const folder = newFolder(t)
  await assert.rejects(
    spawnHub(t, folder, '--extensions', join(folder, 'nowhere')),
    /ended with 1 before it was ready: mooring: The extensions in .*nowhere \(--extensions\) cannot be read: ENOENT/,
  )
})
