// The habits of the house. Each check is also fed what it must find: a check that cannot fail is worth nothing.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, test } from 'node:test'
import { refusals } from '../hub/errors.ts'
import { limitReasons, limits } from '../hub/limits.ts'
import { halvesOf, readSources, root, type Source } from './kit/sources.ts'
import {
  bannedNames,
  boundsWithoutReason,
  foreignComments,
  lonelyTests,
  longLines,
  looseTypes,
  readmeGaps,
  readmes,
  unfinishedMarks,
  unnamedCodes,
} from './kit/tidy.ts'

const code = readSources(['devices', 'hub', 'dashboard', 'simulators'])
const tests = readSources(['test'])
const here = 'test/tidy.test.ts'
const all = [...code, ...tests]
const pathsOf = (sources: readonly Source[]) => sources.map(({ path }) => path)
const codes = Object.keys(refusals)

function readmeOf(folder: string): string | undefined {
  const path = join(root, folder, 'README.md')
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function none(sentences: readonly string[]): void {
  assert.equal(sentences.length, 0, `\n  ${sentences.join('\n  ')}\n`)
}

describe('the house', () => {
  test('names say what is inside', () => none(bannedNames(pathsOf(all))))

  test('each folder with three sources has a README of at most a page', () => {
    none(readmes(pathsOf(code), readmeOf))
  })

  test('each README lists the sources that are there', () => {
    const folders = new Set(pathsOf(code).map((path) => posix.dirname(path)))
    none([...folders].flatMap((folder) => readmeGaps(folder, readmeOf(folder) ?? '', pathsOf(code))))
  })

  test('lines end where a screen ends', () => none(all.flatMap(longLines)))
  test('nothing is marked as unfinished', () => none(all.flatMap(unfinishedMarks)))
  test('no type is any', () => none(all.flatMap(looseTypes)))
  test('no test runs alone', () => none(tests.flatMap(lonelyTests)))
  test('comments are in English', () => none(all.flatMap(foreignComments)))
  test('every bound has its reason', () => none(boundsWithoutReason(Object.keys(limits), limitReasons)))

  test('every refusal is given somewhere in the hub', () => {
    const hub = code.filter(({ path }) => path.startsWith('hub/') && path !== 'hub/errors.ts')
    none(unnamedCodes(codes, hub).map((name) => `${name} is a row of hub/errors.ts that nothing in hub/ uses.`))
  })

  test('every refusal is met by a test', () => {
    none(
      unnamedCodes(
        codes,
        tests.filter(({ path }) => path !== here),
      ).map((name) => `${name} is named in no file below test/.`),
    )
  })
})

describe('the checks', () => {
  const source = (text: string): Source => ({ path: 'hub/x.ts', text })
  const found = (check: (source: Source) => string[], ...texts: string[]) => texts.filter((text) => check(source(text)).length > 0)

  test('tell comments, strings and code apart', () => {
    const text = "const a = 'b // c' // d 'e'\nconst f = /[/'\"]/ // g\nconst h = i / 2 /* j\nk */ + l\nconst m = `n // p`"
    const { code: left, comments } = halvesOf(text)
    assert.deepEqual(
      left.split('\n').map((line) => line.replace(/\s+/g, ' ').trim()),
      ["const a = ' '", 'const f = / /', 'const h = i / 2', '+ l', 'const m = ` `'],
    )
    assert.deepEqual(
      comments.split('\n').map((line) => line.trim()),
      ["// d 'e'", '// g', '/* j', 'k */', ''],
    )
    assert.equal(left.length, text.length)
  })

  test('find names that say nothing', () => {
    const wrong = ['hub/utils/a.ts', 'dashboard/src/common/a.ts', 'hub/helpers.ts', 'hub/mqtt/index.ts', 'devices/types.ts', 'test/misc.ts']
    assert.equal(bannedNames(wrong).length, wrong.length)
    assert.deepEqual(bannedNames(['hub/mqtt/property-types.ts', 'dashboard/src/index-of.ts']), [])
  })

  test('find a missing README, and a long one', () => {
    const three = ['hub/a/1.ts', 'hub/a/2.ts', 'hub/a/3.ts']
    assert.deepEqual(
      readmes(three, () => undefined),
      ['hub/a/ has 3 sources and no README.md.'],
    )
    assert.deepEqual(
      readmes(three, () => 'duty\n'.repeat(81)),
      ['hub/a/README.md has 81 lines; a page is 80.'],
    )
    assert.deepEqual(
      readmes(three, () => 'duty\n'.repeat(80)),
      [],
    )
    assert.deepEqual(
      readmes(three.slice(1), () => undefined),
      [],
    )
  })

  test('find a README that is no longer true', () => {
    const readme = '| file | duty |\n|---|---|\n| `a.ts`, `below/b.ts` | … |\n| `gone.ts` | once |\n\nWrite `new.ts` for one more.\n'
    assert.deepEqual(readmeGaps('hub/x', readme, ['hub/x/a.ts', 'hub/x/below/b.ts', 'hub/x/c.ts', 'hub/y/gone.ts']), [
      'hub/x/README.md lists gone.ts, which is not there.',
      'hub/x/README.md does not name c.ts.',
    ])
  })

  test('find long lines, with more room for prose', () => {
    const wrong = [`const sum = ${'one + '.repeat(30)}two`, `// ${'a word '.repeat(26)}`, `const a = '${'b'.repeat(169)}'`]
    assert.deepEqual(found(longLines, ...wrong), wrong)
    assert.deepEqual(
      found(longLines, `// ${'a word '.repeat(25)}`, `const a = '${'b'.repeat(168)}'`, `const sum = ${'one + '.repeat(20)}two`),
      [],
    )
  })

  test('find marks of unfinished work', () => {
    const wrong = ['todo', 'fixme', 'hack'].map((word) => `const a = 1 // ${word.toUpperCase()}: later`)
    wrong.push(`// @ts-${'ignore'}`)
    assert.deepEqual(found(unfinishedMarks, ...wrong), wrong)
    assert.deepEqual(found(unfinishedMarks, '// a hacksaw', "const a = 'the list'"), [])
  })

  test('find loose types', () => {
    const wrong = ['const a: any = 1', 'const b = c as any', 'let d: Map<string, any>', 'function e(...f: any[]) {}']
    assert.deepEqual(found(looseTypes, ...wrong), wrong)
    const right = ['Type.Any()', 'await Promise.any([a])', "const a = 'any'", '// any reader', 'const many = company']
    assert.deepEqual(found(looseTypes, ...right), [])
    const excuse = (reason: string) => `// biome-ignore lint/suspicious/noExplicitAny:${reason}\ntype F = (...args: any[]) => void`
    assert.deepEqual(found(looseTypes, excuse(' any function'), excuse('')), [excuse('')])
  })

  test('find tests that run alone', () => {
    const wrong = [`test.${'only'}('x', () => {})`, `describe.${'only'}('x', () => {})`, 'test("x", { only: true }, () => {})']
    assert.deepEqual(found(lonelyTests, ...wrong), wrong)
    assert.deepEqual(found(lonelyTests, "test('the only: true one', () => {})", 'const { only } = x'), [])
  })

  test('find comments in other languages', () => {
    const wrong = ['// für später', '// das wird nicht gelesen', '/* комментарий */', '// 注释', '// à faire']
    assert.deepEqual(found(foreignComments, ...wrong), wrong)
    assert.deepEqual(found(foreignComments, '// 2 µs → 3 µs, “quoted” … [MQTT-3.3.1-9] ≥ 24', "const word = 'für'"), [])
  })

  test('find bounds without a reason', () => {
    assert.deepEqual(
      boundsWithoutReason(
        ['a', 'b', 'c'],
        new Map([
          ['a', '… and their bytes'],
          ['b', ' '],
        ]),
      ),
      ['limits.b has no reason.', 'limits.c has no reason.'],
    )
  })

  test('find refusals that nobody names', () => {
    assert.deepEqual(unnamedCodes(['a-one', 'a-two', 'a-three'], [source("new Refusal('a-one') // a-three"), source('"a-two"')]), [
      'a-three',
    ])
  })
})
