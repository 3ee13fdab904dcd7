// Makes a fresh clone runnable: dependencies, the pinned Node, the built dashboard. Plain JavaScript for any
// Node from 18 on, because it runs before anything is installed. When nothing changed it costs some 50 ms.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const runtime = join(modules, '.bin', 'node')
const nodeMajorMin = 24

/** Ends the set-up with one sentence: no stack, because nothing here is a bug of the reader's. */
function stop(sentence) {
  console.error(`mooring: ${sentence}`)
  process.exit(1)
}

function sha256(...parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

function readStamp(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

function install(dev) {
  const stampPath = join(modules, '.mooring-setup')
  const stamp = sha256(readFileSync(join(root, 'package-lock.json')), process.platform, process.arch)
  const have = readStamp(stampPath)
  // A full install also serves `npm start`: going back and forth between start and test installs once.
  if (have === `${stamp} dev` || (!dev && have === `${stamp} start`)) return

  console.error('mooring: installing dependencies (first start, or the lock file changed) …')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  args.push(dev ? '--include=dev' : '--omit=dev')
  // The npm that called us, not whichever is first in PATH; without one (run by hand), the one in PATH.
  const npm = process.env.npm_execpath
  try {
    if (npm) execFileSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
    else execFileSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] })
  } catch {
    stop('npm ci failed (its message is above). Check the network and the npm registry, then run the command again.')
  }
  writeFileSync(stampPath, `${stamp} ${dev ? 'dev' : 'start'}`)
}

/** npm before 11 installs the platform package without linking its binary; npm 11 links it itself. */
function linkRuntime() {
  if (existsSync(runtime)) return
  const pinned = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node')
  const target = existsSync(pinned) ? pinned : Number(process.versions.node.split('.')[0]) >= nodeMajorMin ? process.execPath : ''
  if (target === '') {
    stop(
      `there is no bundled Node for ${process.platform}-${process.arch}; install Node ${nodeMajorMin} or newer and run this again (this is ${process.version}).`,
    )
  }
  mkdirSync(dirname(runtime), { recursive: true })
  if (lstatSync(runtime, { throwIfNoEntry: false })) rmSync(runtime) // a dangling link
  symlinkSync(target === pinned ? relative(dirname(runtime), pinned) : target, runtime)
}

function* sourcesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && entry.name !== 'dist') yield* sourcesBelow(path)
    else if (entry.isFile()) yield path
  }
}

async function buildDashboard() {
  const folder = join(root, 'dashboard')
  const stampPath = join(folder, 'dist', '.stamp')
  const stamp = sha256(readFileSync(join(root, 'package-lock.json')), ...[...sourcesBelow(folder)].map((path) => readFileSync(path)))
  if (readStamp(stampPath) === stamp) return
  const { build } = await import('../dashboard/build.mjs')
  await build()
  writeFileSync(stampPath, stamp)
}

install(process.argv.includes('--dev'))
linkRuntime()
await buildDashboard()
