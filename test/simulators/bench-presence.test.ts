// `npm run bench -- presence`, small: a dashboard sees every change, and all devices of a process that is killed go.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const mainPath = fileURLToPath(new URL('../../simulators/bench/main.ts', import.meta.url))
const bench = (...words: string[]) => promisify(execFile)(process.execPath, [mainPath, 'presence', ...words])

test('the bench of presence says how soon devices are seen to come and go, and what it costs to lose all of them', async () => {
  const { stdout } = await bench('--devices', '20', '--changes', '4')
  assert.match(stdout, /^seen after: p50 \d+\.\d, p99 .* \(4 changes\)\n/)
  assert.match(
    stdout,
    /\n20 lost at once: the last one seen to go after \d+\.\d\d s; loop late by \d+\.\d ms at most; CPU of the hub \d+\.\d\d s\n$/,
  )
})

test('an option that is none is a sentence', async () => {
  await assert.rejects(bench('--many'), { code: 1, stderr: /There is no option --many/ })
})
