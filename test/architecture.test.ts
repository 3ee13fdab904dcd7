// The import rule, read off the import lines: what may know what. Each check is also fed lines that break it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  brokenRules,
  defaultExports,
  type Import,
  importsOf,
  inexactVersions,
  type Lock,
  lockDifferences,
  missingOptionals,
} from './kit/architecture.ts'
import { readSources, root } from './kit/sources.ts'

const sources = readSources(['devices', 'hub', 'dashboard', 'simulators'])
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock
const dependencies = new Set(Object.keys(manifest.dependencies))

function none(sentences: readonly string[]): void {
  assert.equal(sentences.length, 0, `\n  ${sentences.join('\n  ')}\n`)
}

describe('the house', () => {
  test('imports point to the right, and packages stay in their homes', () => {
    const imports = sources.flatMap(importsOf)
    assert.ok(imports.length > 300, `only ${imports.length} import lines were found: the reader of imports is broken`)
    none(imports.flatMap((one) => brokenRules(one, dependencies)))
  })

  test('nothing has a default export', () => none(sources.flatMap(defaultExports)))

  test('package.json names exact versions, and the lock file the same ones', () => {
    none([...inexactVersions(manifest), ...lockDifferences(manifest, lock)])
  })

  test('every optional package of the lock file has its entry', () => none(missingOptionals(lock)))
})

describe('the checks', () => {
  test('find every form of import', () => {
    const text = [
      "import { a, b } from './one.ts'",
      "import type { C } from './two.ts'",
      'import {\n  d,\n  type E,\n} from "./three.ts"',
      "import './four.css'",
      "import f, { g } from './five.ts'",
      "import * as h from './six.ts'",
      "export { i } from './seven.ts'",
      "export type { J } from './eight.ts'",
      "export * from './nine.ts'",
      "const k = await import('./ten.ts')",
      "// import { no } from './comment.ts'",
      "export const from = 'no import'",
      'const text = `\nimport { no } from "./string.ts"`',
      "import { type L } from './eleven.ts'",
    ].join('\n')
    const found = importsOf({ path: 'hub/x.ts', text }).map(({ target, typeOnly }) => `${target}${typeOnly ? ' type' : ''}`)
    assert.deepEqual(found, [
      './one.ts',
      './two.ts type',
      './three.ts',
      './four.css',
      './five.ts',
      './six.ts',
      './seven.ts',
      './eight.ts type',
      './nine.ts',
      './ten.ts',
      './eleven.ts', // without its names the import itself stays, and loads the module
    ])
  })

  const wrong: readonly (readonly [from: string, target: string, rule: RegExp, typeOnly?: boolean])[] = [
    ['hub/session/session.ts', '../mqtt/connection.ts', /to the right/],
    ['hub/session/session.ts', '../mqtt/connection.ts', /to the right/, true],
    ['hub/routing/router.ts', '../session/session.ts', /to the right/],
    ['hub/session/session.ts', '../access/credentials.ts', /to the right/, true],
    ['hub/access/credentials.ts', '../mqtt/connection.ts', /to the right/],
    ['hub/api/hub.ts', 'jose', /only in hub\/access\/jwt\.ts/],
    ['hub/store/store.ts', '../routing/router.ts', /to the right/],
    ['hub/mqtt/publish.ts', '../live/feed.ts', /one column/],
    ['hub/api/hub.ts', '../mqtt/engine.ts', /one column/],
    ['hub/listen/tcp.ts', '../hub.ts', /to the right/],
    ['hub/hub.ts', './ready.ts', /to the right/],
    ['hub/limits.ts', './mqtt/codec.ts', /is a table/],
    ['hub/clock.ts', './store/store.ts', /is a table/],
    ['hub/mqtt/publish.ts', '../store/sqlite/journal.ts', /hub\.ts and maintenance\.ts alone/],
    ['hub/store/store.ts', './sqlite/open.ts', /hub\.ts and maintenance\.ts alone/],
    ['hub/utils/strings.ts', '../mqtt/codec.ts', /no layer/],
    ['hub/mqtt/publish.ts', '../strings.ts', /no layer/],
    ['hub/mqtt/publish.ts', './codec', /extension/],
    ['hub/mqtt/publish.ts', '../../simulators/fleet.ts', /may not import/],
    ['devices/topics.ts', '../hub/errors.ts', /only devices/],
    ['devices/topics.ts', 'typebox', /only devices/],
    ['devices/topics.ts', 'node:fs', /pure/],
    ['dashboard/src/api.ts', '../../devices/device.ts', /import type/],
    ['dashboard/src/api.ts', '../../hub/errors.ts', /may not import/, true],
    ['dashboard/src/api.ts', 'node:path', /browser/],
    ['simulators/device.ts', '../devices/device.ts', /import type/],
    ['simulators/device.ts', '../hub/mqtt/codec.ts', /may not import/],
    ['simulators/clients/mqtt.ts', 'mqtt-packet', /no packages/],
    ['simulators/bench/connection.ts', 'ws', /no packages/],
    ['simulators/bench/ws-floor.ts', 'fastify', /no packages/],
    ['simulators/bench/store.ts', 'better-sqlite3', /no packages/],
    ['hub/api/hub.ts', 'better-sqlite3', /only in hub\/store\/sqlite/],
    ['hub/mqtt/encode.ts', 'mqtt-packet', /only in hub\/mqtt\/codec\.ts/, true],
    ['hub/live/connection.ts', 'ws', /only in hub\/listen\/upgrade\.ts/],
    ['hub/api/hub.ts', 'fastify', /only in hub\/listen\//],
    ['hub/extend/calls.ts', 'ajv', /only in hub\/extend\/params\.ts/],
    ['hub/extend/calls.ts', '../api/parts.ts', /one column/],
    ['hub/extend/examples/firmware.ts', 'fastify', /imports mooring/],
    ['hub/extend/calls.ts', 'mooring', /"dependencies"/],
    ['hub/api/hub.ts', 'mqtt', /"dependencies"/],
    ['hub/setup.mjs', 'esbuild', /before anything is installed/],
    ['hub/cli/export.ts', '../errors.ts', /talks HTTP/],
    ['hub/cli/export.ts', '../api/formats/csv.ts', /talks HTTP/],
    ['hub/hub.ts', './cli/main.ts', /a program of its own/],
    ['hub/api/export.ts', 'hyparquet', /only in hub\/api\/formats/],
  ]
  for (const [from, target, rule, typeOnly = false] of wrong) {
    test(`refuse ${typeOnly ? 'a type of ' : ''}${target} in ${from}`, () => {
      const sentences = brokenRules({ from, target, typeOnly }, dependencies)
      assert.match(sentences.join('\n'), rule)
      assert.ok(sentences.every((sentence) => sentence.startsWith(`${from} imports '${target}': `)))
    })
  }

  const right: readonly (readonly [from: string, target: string, typeOnly?: boolean])[] = [
    ['hub/main.ts', './ready.ts'],
    ['hub/ready.ts', './hub.ts', true],
    ['hub/hub.ts', './store/sqlite/open.ts'],
    ['hub/store/sqlite/open.ts', './journal.ts'],
    ['hub/store/sqlite/open.ts', '../store.ts', true],
    ['hub/live/figures.ts', '../routing/router.ts', true],
    ['hub/mqtt/connection.ts', '../wheel.ts', true],
    ['simulators/bench/ws-floor.ts', 'ws'],
    ['simulators/bench/store-rows.ts', 'better-sqlite3'],
    ['hub/wheel.ts', './clock.ts', true],
    ['hub/mqtt/codec.ts', 'mqtt-packet'],
    ['hub/api/hub.ts', 'fastify', true],
    ['hub/listen/http.ts', 'fastify'],
    ['hub/extend/examples/firmware.ts', 'mooring'],
    ['hub/main.ts', './library.ts'],
    ['dashboard/src/api.ts', '../../devices/device.ts', true],
    ['dashboard/src/main.tsx', './style/main.css'],
    ['hub/setup.mjs', '../dashboard/build.mjs'],
    ['hub/cli/main.ts', '../version.ts'],
    ['hub/cli/main.ts', './export.ts'],
  ]
  for (const [from, target, typeOnly = false] of right) {
    test(`allow ${target} in ${from}`, () => assert.deepEqual(brokenRules({ from, target, typeOnly } satisfies Import, dependencies), []))
  }

  test('find default exports', () => {
    const withDefault = (text: string) => defaultExports({ path: 'hub/x.ts', text }).length
    assert.equal(withDefault('export default function x() {}'), 1)
    assert.equal(withDefault('const x = 1\nexport { x as default }'), 1)
    assert.equal(withDefault('// export default\nexport const defaultFile = 1'), 0)
    assert.deepEqual(defaultExports({ path: 'hub/extend/examples/x.ts', text: 'export default extension()' }), [])
  })

  test('find version ranges and a lock file of another package.json', () => {
    assert.equal(
      inexactVersions({ dependencies: { a: '^1.2.3', b: '1.2.3', c: '1.2.3-beta.4' }, devDependencies: { d: 'latest' } }).length,
      2,
    )
    const locked = { packages: { '': { dependencies: { a: '1.0.0', b: '1.0.0' } } } }
    assert.deepEqual(lockDifferences({ dependencies: { a: '1.0.0', b: '1.0.0' } }, locked), [])
    assert.equal(lockDifferences({ dependencies: { a: '1.0.1' } }, locked).length, 2)
  })

  test('find an optional package without an entry', () => {
    const packages = {
      '': { optionalDependencies: { top: '1.0.0' } },
      'node_modules/top': {},
      'node_modules/tool': { optionalDependencies: { 'tool-linux': '1.0.0', 'tool-mac': '1.0.0', 'tool-nested': '1.0.0' } },
      'node_modules/tool-linux': {},
      'node_modules/tool/node_modules/tool-nested': {},
    }
    assert.deepEqual(missingOptionals({ packages }), [
      'package-lock.json names tool-mac as an optional dependency of node_modules/tool and has no entry for it.',
    ])
  })
})
