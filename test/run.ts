// `npm test`: type-check, lint and format check, then every test file. `npm test -- 03` runs the files whose path contains "03", and nothing else.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')
const wanted = process.argv.slice(2)

function run(program: string, ...args: string[]): void {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}

const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter((file) => wanted.length === 0 || wanted.some((part) => relative('test', file).includes(part)))
  .sort()
if (files.length === 0) {
  console.error(`No test file matches ${wanted.join(' or ')}.`)
  process.exit(1)
}
if (wanted.length === 0) {
  run(join(root, 'node_modules/.bin/tsc'), '--noEmit')
  run(join(root, 'node_modules/.bin/biome'), 'ci', '.')
}
run(process.execPath, '--test', '--test-concurrency=2', '--test-timeout=120000', ...files)
