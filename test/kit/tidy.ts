// The habits of the house that no tool checks, as functions that say a sentence for each place that breaks one.
import { posix } from 'node:path'
import { halvesOf, type Source } from './sources.ts'

const bannedFolders = ['utils', 'util', 'common', 'helpers', 'types', 'services', 'managers', 'shared', 'misc']
const bannedFiles = [...bannedFolders, 'index']

/** A name that says nothing collects everything. */
export function bannedNames(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const folders = path.split('/')
    const file = (folders.pop() as string).split('.')[0] as string
    const folder = folders.find((name) => bannedFolders.includes(name))
    if (folder !== undefined) return [`${path}: a folder ${folder}/ says nothing about what is in it.`]
    if (bannedFiles.includes(file)) return [`${path}: a file named ${file} says nothing about what is in it.`]
    return []
  })
}

const readmeLinesMax = 80
const sourcesWithoutReadme = 2

/** Three sources need someone to say in which order to read them. */
export function readmes(paths: readonly string[], readmeOf: (folder: string) => string | undefined): string[] {
  const sourcesIn = new Map<string, number>()
  for (const path of paths) {
    const folder = posix.dirname(path)
    sourcesIn.set(folder, (sourcesIn.get(folder) ?? 0) + 1)
  }
  return [...sourcesIn].flatMap(([folder, count]) => {
    const readme = readmeOf(folder)
    if (readme === undefined) return count > sourcesWithoutReadme ? [`${folder}/ has ${count} sources and no README.md.`] : []
    const lines = readme.trimEnd().split('\n').length
    return lines > readmeLinesMax ? [`${folder}/README.md has ${lines} lines; a page is ${readmeLinesMax}.`] : []
  })
}

/** A README that lists the sources of its folder lists each that is there and none that is not. One in plain sentences is believed. */
export function readmeGaps(folder: string, readme: string, paths: readonly string[]): string[] {
  const here = paths.filter((path) => posix.dirname(path) === folder)
  const below = new Set(paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => posix.basename(path)))
  const firstCells = [...readme.matchAll(/^\|([^|]*)\|/gm)].map(([, cell]) => cell as string)
  const listed = firstCells.flatMap((cell) => [...cell.matchAll(/`([\w./-]+\.(?:ts|tsx|mjs))`/g)].map(([, name]) => name as string))
  if (listed.length === 0) return []
  const gone = listed
    .filter((name) => !below.has(posix.basename(name)))
    .map((name) => `${folder}/README.md lists ${name}, which is not there.`)
  const left = here
    .filter((path) => !readme.includes(posix.basename(path)))
    .map((path) => `${folder}/README.md does not name ${posix.basename(path)}.`)
  return [...gone, ...left]
}

const codeColumnsMax = 140
const proseColumnsMax = 180

/** The formatter breaks code at 140 columns and leaves alone what it cannot break: text in quotes and comments. Those end at 180. */
export function longLines({ path, text }: Source): string[] {
  const codeLines = halvesOf(text).code.split('\n')
  return text.split('\n').flatMap((line, at) => {
    const columnsMax = codeLines[at] === line ? codeColumnsMax : proseColumnsMax
    return line.length > columnsMax ? [`${path}:${at + 1} has ${line.length} columns; the limit is ${columnsMax} here.`] : []
  })
}

// Written apart, so that this file does not hold what it looks for.
const marks = new RegExp(`\\b(${['todo', 'fixme', 'hack', 'xxx'].map((word) => word.toUpperCase()).join('|')})\\b`)
const directives = new RegExp(`@ts-(${['ignore', 'nocheck', 'expect-error'].join('|')})`)

/** What is not finished is an issue, not a mark in the code. */
export function unfinishedMarks({ path, text }: Source): string[] {
  return numbered(path, halvesOf(text).comments, (line) => {
    if (marks.test(line)) return 'a mark of unfinished work; finish it or open an issue'
    return directives.test(line) ? 'the compiler is told to look away' : undefined
  })
}

/** `Type.Any()` and `Promise.any()` are other words. A biome-ignore with a reason in the line above is an exception that was thought about. */
export function looseTypes({ path, text }: Source): string[] {
  const { code, comments } = halvesOf(text)
  const commentLines = comments.split('\n')
  return numbered(path, code, (line, at) => {
    const excused = /biome-ignore lint\/suspicious\/noExplicitAny: \S/.test(commentLines[at - 1] ?? '')
    return /(?<![.\w$-])any\b(?!\s*[:(])/.test(line) && !excused ? 'the type any; say unknown and look' : undefined
  })
}

/** A test that runs alone hides the others. */
export function lonelyTests({ path, text }: Source): string[] {
  return numbered(path, halvesOf(text).code, (line) =>
    /\b(test|it|describe|suite)\.only\(|[{,]\s*only:\s*true/.test(line) ? 'a test that runs alone' : undefined,
  )
}

const foreignWords = /\b(und|oder|nicht|wird|eine|einen|für|wenn|dass|pour|avec|dans|para|como|het|een)\b/i

/** Comments are in English: no letters of other alphabets (µ is a unit), no common word of another language. */
export function foreignComments({ path, text }: Source): string[] {
  return numbered(path, halvesOf(text).comments, (line) => {
    const letters = line.replace(/µ/g, '').match(/[^\p{ASCII}\P{L}]/u)
    const word = line.match(foreignWords)
    const found = letters?.[0] ?? word?.[0]
    return found === undefined ? undefined : `a comment that is not English (${found})`
  })
}

/** A bound without a reason is a guess that nobody dares to change. */
export function boundsWithoutReason(names: readonly string[], reasons: ReadonlyMap<string, string>): string[] {
  return names
    .filter((name) => (reasons.get(name) ?? '').replace(/[^\p{L}]/gu, '').length < 10)
    .map((name) => `limits.${name} has no reason.`)
}

/** Codes that none of the sources names between quotes. */
export function unnamedCodes(codes: readonly string[], sources: readonly Source[]): string[] {
  const text = sources.map((source) => source.text).join('\n')
  return codes.filter((code) => !new RegExp(`['"\`]${code}['"\`]`).test(text))
}

function numbered(path: string, text: string, problemOf: (line: string, at: number) => string | undefined): string[] {
  return text.split('\n').flatMap((line, at) => {
    const problem = problemOf(line, at)
    return problem === undefined ? [] : [`${path}:${at + 1}: ${problem}.`]
  })
}
