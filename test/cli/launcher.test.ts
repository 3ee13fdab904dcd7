// hub/mooring.mjs, which npx runs: it finds the Node of the hub, and hands everything on.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { newFolder } from '../kit/hub.ts'
import { root } from '../kit/sources.ts'

/** A checkout whose command line is a stand-in that says what it was given. */
function checkout(t: TestContext): string {
  const folder = newFolder(t)
  mkdirSync(join(folder, 'hub', 'cli'), { recursive: true })
  cpSync(join(root, 'hub', 'mooring.mjs'), join(folder, 'hub', 'mooring.mjs'))
  writeFileSync(join(folder, 'hub', 'cli', 'main.ts'), 'console.log(process.argv.slice(2).join("|")); process.exitCode = 3')
  const setUp = `import { mkdirSync, symlinkSync } from 'node:fs'
console.log('installing')
if (process.env.FAIL) process.exit(1)
mkdirSync('${folder}/node_modules/.bin', { recursive: true })
symlinkSync(process.execPath, '${folder}/node_modules/.bin/node')`
  writeFileSync(join(folder, 'hub', 'setup.mjs'), setUp)
  return folder
}

function mooring(folder: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'hub', 'mooring.mjs'), 'a b', '--c'], {
    cwd: newFolderOf(folder),
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** From anywhere: not only in the checkout. */
const newFolderOf = (folder: string) => join(folder, 'hub')

test('arguments, output and exit code are those of the command line', (t) => {
  const folder = checkout(t)
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true })
  symlinkSync(process.execPath, join(folder, 'node_modules', '.bin', 'node'))
  assert.deepEqual(mooring(folder), { status: 3, stdout: 'a b|--c\n', stderr: '' })
})

test('where nothing is installed yet the set-up runs first, and its words go to stderr', (t) => {
  const folder = checkout(t)
  assert.deepEqual(mooring(folder), { status: 3, stdout: 'a b|--c\n', stderr: 'installing\n' })
  assert.deepEqual(mooring(folder), { status: 3, stdout: 'a b|--c\n', stderr: '' })
})

test('a set-up that fails ends it', (t) => {
  assert.deepEqual(mooring(checkout(t), { FAIL: '1' }), { status: 1, stdout: '', stderr: 'installing\n' })
})
