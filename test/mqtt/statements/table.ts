// The conformance table: which normative statement of MQTT is held by which test, as the sources beside this file say it. So the table
// cannot claim a test that is not there.
//
//     node test/mqtt/statements/table.ts     writes test/mqtt/CONFORMANCE.md
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { halvesOf, readSources, root, type Source } from '../../kit/sources.ts'

export const versions = ['5.0', '3.1.1'] as const
export type Version = (typeof versions)[number]

/** The functions of `kit/statements.ts` that say something of tags. */
const kinds = ['statement', 'bindsClients', 'untestable'] as const
export type Kind = (typeof kinds)[number]

/** One call: what it says of its tags. */
export interface Mention {
  readonly kind: Kind
  /** As in the checklist, with the version in front: `5.0 MQTT-3.1.2-1`. */
  readonly tags: readonly string[]
  /** The behaviour, or the reason why there is no test of it. */
  readonly says: string
  /** `3.1-connect-flags.test.ts` */
  readonly file: string
}

export interface Reading {
  readonly mentions: readonly Mention[]
  /** A sentence for each call that cannot be read. */
  readonly problems: readonly string[]
}

export const tablePath = 'test/mqtt/CONFORMANCE.md'
export const renew = 'node test/mqtt/statements/table.ts'

const folder = 'test/mqtt/statements'

export function readChecklist(): string {
  return readFileSync(join(root, folder, 'tags.txt'), 'utf8')
}

export function readStatements(): Source[] {
  return readSources([folder], 'ts,tsx').filter(({ path }) => path.endsWith('.test.ts'))
}

/** All tags of the checklist in their order, with the version in front. */
export function tagsIn(checklist: string): string[] {
  let version = ''
  return checklist.split('\n').flatMap((line) => {
    if (line.startsWith('## ')) version = line.slice(3)
    return line.startsWith('MQTT-') ? [`${version} ${line.trim()}`] : []
  })
}

/** What the calls in these sources say. Tags and sentence are literals, however the formatter has broken the lines. */
export function read(sources: readonly Source[]): Reading {
  const mentions: Mention[] = []
  const problems: string[] = []
  for (const { path, text } of sources) {
    const { code } = halvesOf(text)
    for (const call of code.matchAll(new RegExp(`(?<![.\\w])(?<!function )(${kinds.join('|')})\\(`, 'g'))) {
      const at = call.index + call[0].length
      const where = `${path}:${text.slice(0, at).split('\n').length}`
      const mention = mentionAt(code, text, at)
      if (typeof mention === 'string') problems.push(`${where}: ${mention}`)
      else mentions.push({ kind: call[1] as Kind, file: basename(path), ...mention })
    }
  }
  return { mentions, problems }
}

/** The arguments that begin at `at`, or a sentence why they cannot be read. In `code` nothing stands between the quotes of a string. */
function mentionAt(code: string, text: string, at: number): Pick<Mention, 'tags' | 'says'> | string {
  const [list] = /^\s*\[[^\]]*\]/.exec(code.slice(at)) ?? []
  if (list === undefined) return 'the first argument is no list of tags.'
  const written = literalsIn(code, text, at, at + list.length)
  if (/[^\s[\],'"`]/.test(list)) return 'the tags are not written out.'
  const tags: string[] = []
  for (const literal of written) {
    const [, version, tag] = /^(\S+) \[(MQTT-[\d.]+-\d+)\]$/.exec(literal) ?? []
    if (version === undefined || !versions.some((known) => known === version)) return `'${literal}' is no tag.`
    tags.push(`${version} ${tag}`)
  }
  if (tags.length === 0) return 'the list of tags is empty.'
  const sentenceAt = at + list.length
  const [sentence] = /^\s*,\s*(['"`])\s*\1/.exec(code.slice(sentenceAt)) ?? []
  const says = sentence === undefined ? undefined : literalsIn(code, text, sentenceAt, sentenceAt + sentence.length)[0]
  if (says === undefined || says === '') return 'the second argument is no sentence.'
  if (says.includes('${')) return 'the sentence has an expression in it.'
  return { tags, says }
}

/** The string literals between two positions. */
function literalsIn(code: string, text: string, start: number, end: number): string[] {
  return [...code.slice(start, end).matchAll(/(['"`])\s*\1/g)].map(({ index, 0: { length } }) =>
    text.slice(start + index + 1, start + index + length - 1).replaceAll(/\\(.)/g, '$1'),
  )
}

/** A sentence for each tag that is unknown, has no line, or is said to bind only clients and to bind the hub as well. */
export function problemsOf(checklist: string, { mentions, problems }: Reading): string[] {
  const tags = tagsIn(checklist)
  const known = new Set(tags)
  const saidBy = (kind: Kind) => new Set(mentions.filter((mention) => mention.kind === kind).flatMap((mention) => mention.tags))
  const untestable = saidBy('untestable')
  const mentioned = new Set(mentions.flatMap((mention) => mention.tags))
  return [
    ...problems,
    ...mentions.flatMap(({ file, tags }) =>
      tags.filter((tag) => !known.has(tag)).map((tag) => `${file} names ${tag}, which tags.txt does not.`),
    ),
    ...[...saidBy('bindsClients')].filter((tag) => untestable.has(tag)).map((tag) => `${tag} stands in bindsClients and in untestable.`),
    ...tags.filter((tag) => !mentioned.has(tag)).map((tag) => `${tag} has no test, and no reason why not.`),
  ]
}

export interface Counts {
  readonly statements: number
  readonly tested: number
  readonly bindClients: number
  readonly notTestable: number
  readonly open: number
}

/** Each tag counts once: as tested when there is a test, whatever else is said of it. */
export function countsOf(checklist: string, mentions: readonly Mention[], version: Version): Counts {
  const tags = tagsIn(checklist).filter((tag) => tag.startsWith(`${version} `))
  const left = new Set(tags)
  const take = (kind: Kind) =>
    mentions.filter((mention) => mention.kind === kind).flatMap((mention) => mention.tags.filter((tag) => left.delete(tag)))
  const [tested, bindClients, notTestable] = kinds.map((kind) => take(kind).length) as [number, number, number]
  return { statements: tags.length, tested, bindClients, notTestable, open: left.size }
}

/** The page as Markdown. */
export function tableOf(checklist: string, mentions: readonly Mention[]): string {
  const lines = [
    '# Conformance',
    '',
    'Every normative statement of MQTT, by its tag in the OASIS text, and what holds the hub to it. Each test runs over TCP and over',
    `WebSocket. Written by \`${renew}\` from the tests in [statements/](statements/); a test fails when this page is out of date.`,
    '',
    '| version | statements | tested | bind only clients | not testable | open |',
    '|---|---|---|---|---|---|',
    ...versions.map((version) => `| ${version} | ${Object.values(countsOf(checklist, mentions, version)).join(' | ')} |`),
  ]
  for (const version of versions) {
    lines.push('', `## MQTT ${version}`, '', '| statement | how it is held |', '|---|---|')
    for (const tag of tagsIn(checklist).filter((tag) => tag.startsWith(`${version} `))) {
      const held = mentions.filter(({ tags }) => tags.includes(tag)).map(cellOf)
      lines.push(`| ${tag.slice(version.length + 1)} | ${held.length === 0 ? 'open' : [...new Set(held)].join('<br>')} |`)
    }
  }
  return `${lines.join('\n')}\n`
}

function cellOf({ kind, says, file }: Mention): string {
  const sentence = says.replaceAll('|', '\\|').replaceAll('<', '&lt;')
  if (kind === 'statement') return `${sentence} (\`${file}\`)`
  return kind === 'bindsClients' ? `*binds clients*: ${sentence}` : `*not testable*: ${sentence}`
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(join(root, tablePath), tableOf(readChecklist(), read(readStatements()).mentions))
}
