// The import rule of the house, as functions that say a sentence for each import line that breaks it.
import { posix } from 'node:path'
import { halvesOf, type Source } from './sources.ts'

export interface Import {
  readonly from: string
  /** What stands between the quotes. */
  readonly target: string
  /** `import type` or `export type`: gone before the code runs. */
  readonly typeOnly: boolean
}

const quoted = /['"]([^'"]+)['"]/.source
const names = /(?:[\w$]+\s*,?\s*)?(?:\*(?:\s+as\s+[\w$]+)?|\{[^}]*\})?/.source
const importLine = new RegExp(
  `^(?:import|export)\\s+(?:(type)\\s+(?!from\\b))?${names}\\s*from\\s*${quoted}|^import\\s*${quoted}|\\bimport\\(\\s*${quoted}\\s*\\)`,
  'gm',
)

/** Every import and re-export of a source, static or dynamic. */
export function importsOf({ path, text }: Source): Import[] {
  const { code } = halvesOf(text)
  return [...text.matchAll(importLine)]
    .filter(({ index }) => code[index] === text[index]) // not one that a comment or a string speaks of
    .map(([, type, named, bare, dynamic]) => ({ from: path, target: (named ?? bare ?? dynamic) as string, typeOnly: type !== undefined }))
}

/** From left to right; an import may only point to the right. Names in one column never import each other. */
const columns: readonly (readonly string[])[] = [
  ['main'],
  ['hub'],
  ['listen'],
  ['mqtt', 'json', 'api', 'live', 'sys', 'extend'],
  ['access'],
  ['session'],
  ['routing'],
  ['store'],
]
/** Modules on the top floor of hub/ that anyone below it may import. */
const tables = [
  'config',
  'kinds',
  'retention',
  'limits',
  'errors',
  'metrics',
  'clock',
  'wheel',
  'turn',
  'slices',
  'reconnect',
  'version',
  'schema',
]
const partOfFile: Readonly<Record<string, string>> = { main: 'main', ready: 'main', library: 'main', maintenance: 'main', hub: 'hub' }
const drawing = 'main → hub → listen → mqtt, json, api, live, sys, extend → access → session → routing → store → devices'

/** Packages that have one home. The others may be imported wherever their layer needs them. */
const homes: Readonly<Record<string, string>> = {
  'better-sqlite3': 'hub/store/sqlite/',
  'mqtt-packet': 'hub/mqtt/codec.ts',
  ws: 'hub/listen/upgrade.ts',
  preact: 'dashboard/',
  '@preact/signals': 'dashboard/',
  uplot: 'dashboard/',
  esbuild: 'dashboard/build.mjs',
  'smol-toml': 'hub/config.ts',
  jose: 'hub/access/jwt.ts',
  hyparquet: 'hub/api/formats/',
  'hyparquet-writer': 'hub/api/formats/',
  otpauth: 'hub/access/operators/second-factor.ts',
  uqr: 'hub/api/second-factor.ts',
  ajv: 'hub/extend/params.ts',
  piscina: 'hub/extend/pool.ts',
}
/** The same for packages whose types may be named elsewhere in hub/. */
const homesOfValues: Readonly<Record<string, string>> = { fastify: 'hub/listen/', pino: 'hub/library.ts' }

/** What the bench measures the hub against, a server or plain rows: this package, and nothing around it. */
const measured: Readonly<Record<string, string>> = {
  'simulators/bench/ws-floor.ts': 'ws',
  'simulators/bench/store-rows.ts': 'better-sqlite3',
}

/** Extensions as users write them: they know the hub as a package, and export themselves by default. */
const examples = 'hub/extend/examples/'

const extensions = /\.(ts|tsx|mjs|css)$/

/** One sentence for each rule an import breaks. */
export function brokenRules(one: Import, dependencies: ReadonlySet<string>): string[] {
  const says = (rule: string) => `${one.from} imports '${one.target}': ${rule}`
  if (one.target.startsWith('node:')) return nodeRule(one).map(says)
  if (!one.target.startsWith('.')) return packageRules(one, dependencies).map(says)
  const to = posix.join(posix.dirname(one.from), one.target)
  const broken = extensions.test(one.target) ? [] : ['a relative import carries its extension (.ts or .tsx)']
  return [...broken, ...folderRules(one, to)].map(says)
}

function nodeRule({ from }: Import): string[] {
  if (from.startsWith('devices/')) return ['devices/ is pure: no sockets, no files, no timers, nothing of Node']
  if (from.startsWith('dashboard/src/')) return ['the dashboard runs in a browser, where there is no Node']
  return []
}

function packageRules({ from, target, typeOnly }: Import, dependencies: ReadonlySet<string>): string[] {
  const name = target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
  if (measured[from] === name) return []
  if (from.startsWith(examples)) return name === 'mooring' ? [] : ['an example needs the hub alone: it imports mooring and Node']
  const broken: string[] = []
  if (from.startsWith('devices/')) broken.push('devices/ imports only devices/')
  if (from.startsWith('simulators/')) broken.push('simulators/ is written from the specifications: Node and itself, no packages')
  if (from === 'hub/setup.mjs') broken.push('the set-up runs before anything is installed')
  if (!dependencies.has(name)) broken.push('it is not among the "dependencies" of package.json')
  const home = homes[name] ?? (typeOnly ? undefined : homesOfValues[name])
  if (home !== undefined && !from.startsWith(home)) broken.push(`${name} is imported only in ${home}`)
  if (typeOnly && homesOfValues[name] !== undefined && !from.startsWith('hub/')) broken.push(`${name} belongs to hub/`)
  return broken
}

function folderRules({ from, typeOnly }: Import, to: string): string[] {
  const [fromTop, toTop] = [from, to].map((path) => path.slice(0, path.indexOf('/')))
  if (fromTop === 'hub' && toTop === 'hub') return hubRules(from, to)
  if (fromTop === toTop) return []
  if (from === 'hub/setup.mjs' && to === 'dashboard/build.mjs') return []
  if (fromTop === 'hub' && toTop === 'devices') return []
  if ((fromTop === 'dashboard' || fromTop === 'simulators') && toTop === 'devices') {
    return typeOnly ? [] : [`${fromTop}/ takes types alone from devices/: write import type`]
  }
  if (fromTop === 'devices') return ['devices/ imports only devices/']
  return [`${fromTop}/ may not import ${toTop}/`]
}

function hubRules(from: string, to: string): string[] {
  const [fromPart, toPart] = [partOf(from), partOf(to)]
  if (fromPart === 'cli')
    return toPart === 'cli' || toPart === 'version' ? [] : ['cli/ talks HTTP to a hub: it imports itself and version.ts']
  if (toPart === 'cli') return ['cli/ is a program of its own, which nobody imports']
  const opensFiles = from === 'hub/hub.ts' || from === 'hub/maintenance.ts' // the one runs the store, the other looks after its files
  if (to.startsWith('hub/store/sqlite/') && !from.startsWith('hub/store/sqlite/') && !opensFiles) {
    return ['store/sqlite/ is imported by hub.ts and maintenance.ts alone; everyone else asks store/store.ts']
  }
  if (from === 'hub/store/store.ts' && /^hub\/store\/.*\//.test(to)) return ['store.ts says what is asked of any database and knows none']
  if (tables.includes(toPart)) return []
  if (tables.includes(fromPart)) return [`${fromPart}.ts is a table: it imports only devices/ and the other tables`]
  const [fromColumn, toColumn] = [fromPart, toPart].map((part) => columns.findIndex((names) => names.includes(part))) as [number, number]
  if (fromColumn === -1) return [`${from} stands in no layer; the layers are ${drawing}`]
  if (toColumn === -1) return [`${to} stands in no layer; the layers are ${drawing}`]
  if (fromPart === toPart || fromColumn < toColumn) return []
  if (fromColumn === toColumn) return [`${fromPart}/ and ${toPart}/ stand in one column and never import each other`]
  return [`an import points to the right, in ${drawing}`]
}

/** `hub/mqtt/codec.ts` → `mqtt`, `hub/limits.ts` → `limits`. */
function partOf(path: string): string {
  const [, part = '', below] = path.split('/')
  const name = below === undefined ? part.replace(/\.[a-z]+$/, '') : part
  return below === undefined ? (partOfFile[name] ?? name) : name
}

/** A default export has no name of its own, so a search does not find who uses it. */
export function defaultExports({ path, text }: Source): string[] {
  if (path.startsWith(examples)) return []
  return /^export\s+(default\b|\{[^}]*\bas\s+default\b)/m.test(halvesOf(text).code) ? [`${path} has a default export; give it a name.`] : []
}

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Lock {
  readonly packages: Readonly<Record<string, Package>>
}

const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'] as const

/** What is tested is what is installed: no ranges. */
export function inexactVersions(manifest: Package): string[] {
  return kinds.flatMap((kind) =>
    Object.entries(manifest[kind] ?? {})
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => `package.json wants ${name} ${version}: write one exact version.`),
  )
}

/** The lock file was made for this package.json and no other. */
export function lockDifferences(manifest: Package, { packages }: Lock): string[] {
  const locked = packages[''] ?? {}
  return kinds.flatMap((kind) => {
    const [wanted, known] = [manifest[kind] ?? {}, locked[kind] ?? {}]
    return [...new Set([...Object.keys(wanted), ...Object.keys(known)])]
      .filter((name) => wanted[name] !== known[name])
      .map(
        (name) => `${name} is ${wanted[name] ?? 'absent'} in package.json and ${known[name] ?? 'absent'} in package-lock.json (${kind}).`,
      )
  })
}

/** `npm ci` refuses a lock file that names an optional package without having an entry for it, on every platform. */
export function missingOptionals({ packages }: Lock): string[] {
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !lookedUpFrom(path, name).some((entry) => entry in packages))
      .map((name) => `package-lock.json names ${name} as an optional dependency of ${path || 'the project'} and has no entry for it.`),
  )
}

/** Where Node looks for a package: beside the one that asks, then further and further out. */
function lookedUpFrom(path: string, name: string): string[] {
  const places = [`node_modules/${name}`]
  for (let at = path.indexOf('node_modules/'); at !== -1; at = path.indexOf('/node_modules/', at + 1)) {
    const end = path.indexOf('/node_modules/', at + 1)
    places.push(`${end === -1 ? path : path.slice(0, end)}/node_modules/${name}`)
  }
  return places
}
