// `npm run bench -- logins`, small: every login is let in, every wrong password is refused, and each line has its figures.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const mainPath = fileURLToPath(new URL('../../simulators/bench/main.ts', import.meta.url))
const bench = (...words: string[]) => promisify(execFile)(process.execPath, [mainPath, 'logins', ...words])

test('the bench of logins says what a login costs, and what storms of wrong passwords do to others', async () => {
  const { stdout } = await bench('--devices', '20', '--wrong', '200', '--seconds', '1')
  assert.match(stdout, /^20 logins by token in \d+\.\d\d s; CPU of the hub \d/)
  const refused = [...stdout.matchAll(/: (\d+) refused a second/g)].map(([, count]) => Number(count))
  assert.equal(refused.length, 3)
  assert.equal(refused[0], 0, 'nobody else')
  for (const count of refused.slice(1)) assert.ok(count > 0, stdout)
  const counts = [...stdout.matchAll(/acknowledgement of a reading: .*\((\d+)\)/g)].map(([, count]) => Number(count))
  assert.equal(counts.length, 3)
  for (const count of counts) assert.ok(count > 0, stdout)
})

test('an option that is none is a sentence', async () => {
  await assert.rejects(bench('--many'), { code: 1, stderr: /There is no option --many/ })
})
