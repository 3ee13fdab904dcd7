// The project's own files as text, for the tests that read how it is written.
import { globSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')

export interface Source {
  /** From the top of the repository, with slashes: `hub/mqtt/codec.ts`. */
  readonly path: string
  readonly text: string
}

export function readSources(folders: readonly string[], extensions = 'ts,tsx,mjs'): Source[] {
  return folders
    .flatMap((folder) =>
      globSync(`${folder}/**/*.{${extensions}}`, { cwd: root, exclude: (path) => /(^|[\\/])dist([\\/]|$)/.test(String(path)) }),
    )
    .map((path) => ({ path: path.split(sep).join('/'), text: readFileSync(join(root, path), 'utf8') }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** A source taken apart: each half has the lines and columns of the whole, and blanks where the other half stands. */
export interface Halves {
  /** Without comments, and with nothing between quotes. */
  readonly code: string
  readonly comments: string
}

/**
 * Tells comments and strings from code. It reads as a person skims: good for looking for a word, not for compiling. What an
 * interpolation in a template says counts as string.
 */
export function halvesOf(text: string): Halves {
  let code = ''
  let comments = ''
  let at = 0
  const take = (end: number, kind: 'code' | 'comment' | 'string') => {
    const part = text.slice(at, end)
    const blank = part.replace(/[^\n]/g, ' ')
    if (kind === 'code') code += part
    else if (kind === 'string' && part.length > 1) code += part[0] + blank.slice(1, -1) + part.at(-1)
    else code += blank
    comments += kind === 'comment' ? part : blank
    at = end
  }
  while (at < text.length) {
    const mark = text[at] as string
    if (text.startsWith('//', at)) take(positionOf(text, /\n/g, at), 'comment')
    else if (text.startsWith('/*', at)) take(positionOf(text, /\*\//g, at) + 2, 'comment')
    else if (mark === "'" || mark === '"' || mark === '`') take(quoteEnd(text, at), 'string')
    else if (mark === '/' && /(^|[(,=:[!&|?{};\n]|return)\s*$/.test(code.slice(-40))) take(regexEnd(text, at), 'string')
    else take(positionOf(text, /['"`/]/g, at + 1), 'code')
  }
  return { code, comments }
}

/** Where the pattern, which has the flag g, comes next; the end when it does not. */
function positionOf(text: string, pattern: RegExp, start: number): number {
  pattern.lastIndex = start
  return pattern.exec(text)?.index ?? text.length
}

/** Only a template goes on in the next line: any other quote left open is an apostrophe in the text of a page. */
function quoteEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === text[start]) return at + 1
    else if (text[at] === '\n' && text[start] !== '`') return at
  }
  return text.length
}

function regexEnd(text: string, start: number): number {
  let inClass = false
  for (let at = start + 1; at < text.length; at++) {
    const mark = text[at]
    if (mark === '\\') at++
    else if (mark === '[') inClass = true
    else if (mark === ']') inClass = false
    else if (mark === '\n')
      return start + 1 // a division after all
    else if (mark === '/' && !inClass) return at + 1
  }
  return text.length
}
