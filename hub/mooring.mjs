#!/usr/bin/env node
// `mooring …`: runs the command line under the Node that the hub runs on. Plain JavaScript for any Node from 18 on, as setup.mjs, which is run
// first where nothing is installed yet.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** They work on the files of a hub, which need not run; all others talk to one that does. */
const onFiles = ['check', 'backup', 'restore']
const runtime = join(root, 'node_modules', '.bin', 'node')

/** The set-up's own words go to stderr: stdout belongs to the command. */
function setUp() {
  const { status } = spawnSync(process.execPath, [join(root, 'hub', 'setup.mjs')], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(1)
}

if (!existsSync(runtime)) setUp()
const program = onFiles.includes(process.argv[2] ?? '') ? 'maintenance.ts' : join('cli', 'main.ts')
const command = spawn(runtime, [join(root, 'hub', program), ...process.argv.slice(2)], { stdio: 'inherit' })
// Ctrl-C reaches the command by itself, and it decides what becomes of what it has begun; who ends this process alone means both.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => command.kill('SIGTERM'))
command.on('error', (error) => {
  console.error(`mooring: ${error.message}`)
  process.exit(1)
})
command.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
