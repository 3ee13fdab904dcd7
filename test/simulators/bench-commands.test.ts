// `npm run bench -- commands`, small: every command comes back, every one that waited is taken, and each line has its figures.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const mainPath = fileURLToPath(new URL('../../simulators/bench/main.ts', import.meta.url))
const bench = (...words: string[]) => promisify(execFile)(process.execPath, [mainPath, 'commands', ...words])

test('the bench of commands says how long they take, what they cost others, and how fast they drain', async () => {
  const { stdout } = await bench('--calls', '20', '--devices', '10', '--queued', '200', '--seconds', '1')
  assert.match(stdout, /^there and back: p50 \d+\.\d\d, p99 .* \(20\)\n/)
  assert.match(stdout, /\nnothing queued: acknowledgement of a reading p50 /)
  assert.match(stdout, /\n200 put on record, \d+ a second\n200 queued: acknowledgement of a reading p50 /)
  assert.match(stdout, /\n200 drained by 10 devices in \d+\.\d\d s, \d+ a second; CPU of the hub \d+ µs each\n$/)
})

test('an option that is none is a sentence', async () => {
  await assert.rejects(bench('--many'), { code: 1, stderr: /There is no option --many/ })
})
