// hub.offload: work that computes goes to a thread, and the loop goes on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ExtensionHub } from '../../hub/extend/extension.ts'
import { limits } from '../../hub/limits.ts'
import { eventually, hubWith, mine } from './kit.ts'

const work = new URL('./work.ts', import.meta.url)

test('a function of a module runs in a thread, and its result or error comes back', async (t) => {
  const offered: ExtensionHub[] = []
  await hubWith(t, [mine((h) => void offered.push(h))])
  const { offload } = offered[0] as ExtensionHub
  assert.deepEqual(await offload(work, 'where', [21]), { isMainThread: false, twice: 42 })
  await assert.rejects(offload(work, 'fails', []), /no such number/)
  await assert.rejects(offload(work, 'nothing', []), /exports no function nothing/)
})

test('work that never ends is ended by its signal, by its extension, and by the hub; the loop has gone on', async (t) => {
  const offered: ExtensionHub[] = []
  const hub = await hubWith(t, [mine((h) => void offered.push(h))])
  const { offload } = offered[0] as ExtensionHub
  const controller = new AbortController()
  const first = offload(work, 'forEver', [], { signal: controller.signal })
  assert.equal(((await hub.get('/healthz')) as { alive: boolean }).alive, true)
  controller.abort(new Error('enough'))
  await assert.rejects(first)
  assert.deepEqual(await offload(work, 'where', [1]), { isMainThread: false, twice: 2 })
  const second = assert.rejects(offload(work, 'forEver', []))
  hub.hub.extensions.remove('mine')
  await second
  await hub.hub.extensions.use(mine((h) => void offered.push(h)))
  const third = assert.rejects((offered[1] as ExtensionHub).offload(work, 'forEver', []))
  await hub.stop()
  await third
})

test('what is too much is refused, and a thread that wants all the memory ends alone', { timeout: 60_000 }, async (t) => {
  const offered: ExtensionHub[] = []
  const hub = await hubWith(t, [mine((h) => void offered.push(h))])
  const { offload } = offered[0] as ExtensionHub
  const { signal, abort } = withAbort()
  const waiting = Array.from({ length: limits.offloadsPerExtension }, () => offload(work, 'forEver', [], { signal }).catch(() => 'ended'))
  await assert.rejects(offload(work, 'where', [1]), { code: 'too-many-offloads' })
  abort()
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['ended']))
  await assert.rejects(offload(work, 'fills', []), /memory/)
  await eventually('a thread to be there again', async () => (await offload<{ twice: number }>(work, 'where', [2])).twice === 4)
  assert.equal(((await hub.get('/healthz')) as { alive: boolean }).alive, true)
})

function withAbort(): { signal: AbortSignal; abort(): void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort(new Error('enough')) }
}
