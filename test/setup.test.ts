// The set-up that runs before every command, in a copy of its own: npm and the dashboard's build are stand-ins that note when they ran.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { newFolder } from './kit/hub.ts'
import { root } from './kit/sources.ts'

const pinnedName = `node-${process.platform}-${process.arch}`

/** Installs what the real one would leave behind, as far as the set-up looks at it. */
const fakeNpm = `
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n')
if (existsSync('offline')) process.exit(1)
mkdirSync('node_modules', { recursive: true })
if (!existsSync('unpinned')) {
  mkdirSync('node_modules/${pinnedName}/bin', { recursive: true })
  writeFileSync('node_modules/${pinnedName}/bin/node', '')
}
`
const fakeBuild = `
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
export async function build() {
  appendFileSync('build.log', 'built\\n')
  mkdirSync('dashboard/dist', { recursive: true })
  writeFileSync('dashboard/dist/index.html', 'page')
}
`

class Clone {
  readonly folder: string
  readonly link: string

  constructor(t: TestContext) {
    this.folder = newFolder(t)
    this.link = join(this.folder, 'node_modules', '.bin', 'node')
    for (const name of ['hub', 'dashboard']) mkdirSync(join(this.folder, name))
    cpSync(join(root, 'hub', 'setup.mjs'), join(this.folder, 'hub', 'setup.mjs'))
    this.write('package-lock.json', '{}')
    this.write('npm.mjs', fakeNpm)
    this.write('dashboard/build.mjs', fakeBuild)
    this.write('dashboard/main.tsx', 'one')
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.folder, path), text)
  }

  setUp(...args: string[]): { code: number | null; stderr: string; ms: number } {
    const beganMs = performance.now()
    const { status, stderr } = spawnSync(process.execPath, ['hub/setup.mjs', ...args], {
      cwd: this.folder,
      env: { ...process.env, npm_execpath: join(this.folder, 'npm.mjs') },
      encoding: 'utf8',
    })
    return { code: status, stderr, ms: performance.now() - beganMs }
  }

  /** What each run of npm was asked for. */
  get installs(): string[] {
    return this.#linesOf('npm.log').map((line) => line.split(' ').at(-1) as string)
  }

  get builds(): number {
    return this.#linesOf('build.log').length
  }

  #linesOf(name: string): string[] {
    const path = join(this.folder, name)
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
  }
}

test('a fresh clone is installed, linked and built; the second time nothing happens, and quickly', (t) => {
  const clone = new Clone(t)
  const first = clone.setUp()
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stderr, /^mooring: installing dependencies/)
  assert.equal(
    readFileSync(join(clone.folder, 'npm.log'), 'utf8'),
    'ci --ignore-scripts --no-audit --no-fund --loglevel=error --omit=dev\n',
  )
  assert.equal(readlinkSync(clone.link), join('..', pinnedName, 'bin', 'node'))

  const stamps = () =>
    ['node_modules/.mooring-setup', 'node_modules/.bin/node', 'dashboard/dist/.stamp'].map(
      (path) => lstatSync(join(clone.folder, path)).mtimeMs,
    )
  const before = stamps()
  const second = clone.setUp()
  assert.deepEqual({ code: second.code, stderr: second.stderr }, { code: 0, stderr: '' })
  assert.ok(second.ms < 2000, `${second.ms} ms`)
  assert.deepEqual(stamps(), before)
  assert.deepEqual([clone.installs, clone.builds], [['--omit=dev'], 1])
})

test('a start after the tests installs nothing: the development set holds the other', (t) => {
  const clone = new Clone(t)
  clone.setUp()
  clone.setUp('--dev')
  clone.setUp()
  clone.setUp('--dev')
  assert.deepEqual(clone.installs, ['--omit=dev', '--include=dev'])
})

test('a changed lock file is installed again', (t) => {
  const clone = new Clone(t)
  clone.setUp()
  clone.write('package-lock.json', '{"lockfileVersion":3}')
  clone.setUp()
  assert.deepEqual(clone.installs, ['--omit=dev', '--omit=dev'])
})

test('a changed source of the dashboard is built again, and only then', (t) => {
  const clone = new Clone(t)
  clone.setUp()
  clone.write('dashboard/dist/index.html', 'touched by nobody')
  clone.setUp()
  assert.equal(clone.builds, 1)
  clone.write('dashboard/main.tsx', 'two')
  clone.setUp()
  assert.deepEqual([clone.installs.length, clone.builds], [1, 2])
})

test('a missing or dangling link to the runtime is repaired without installing', (t) => {
  const clone = new Clone(t)
  clone.setUp()
  rmSync(clone.link)
  assert.equal(clone.setUp().code, 0)
  assert.ok(existsSync(clone.link))

  rmSync(clone.link)
  symlinkSync('../gone/bin/node', clone.link)
  assert.ok(!existsSync(clone.link))
  assert.equal(clone.setUp().code, 0)
  assert.equal(readlinkSync(clone.link), join('..', pinnedName, 'bin', 'node'))
  assert.equal(clone.installs.length, 1)
})

test('where no runtime is bundled, a Node that is new enough is linked', (t) => {
  const clone = new Clone(t)
  clone.write('unpinned', '')
  assert.equal(clone.setUp().code, 0)
  assert.equal(readlinkSync(clone.link), process.execPath)
})

test('an install that fails stops with a sentence and is tried again the next time', (t) => {
  const clone = new Clone(t)
  clone.write('offline', '')
  const { code, stderr } = clone.setUp()
  assert.equal(code, 1)
  assert.match(stderr, /^mooring: npm ci failed .+ run the command again\.$/m)
  assert.doesNotMatch(stderr, /^\s+at /m)
  rmSync(join(clone.folder, 'offline'))
  assert.equal(clone.setUp().code, 0)
  assert.equal(clone.installs.length, 2)
})
