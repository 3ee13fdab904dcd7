// Help and completion: both are made from one table, and the scripts are sourced in the shells they are for.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { commands, onFiles } from '../../hub/cli/commands.ts'
import { placesOf } from '../../hub/cli/completion.ts'
import { newFolder } from '../kit/hub.ts'
import { run } from './run.ts'

/** What each shell proposes behind these words; the last of them is being typed. */
type Complete = (...words: string[]) => string[]

async function script(t: TestContext, shell: string): Promise<{ folder: string; file: string }> {
  const { code, stdout, stderr } = await run(t, ['completion', shell])
  assert.equal(code, 0, stderr)
  const folder = newFolder(t)
  const file = join(folder, 'mooring.completion')
  writeFileSync(file, stdout)
  writeFileSync(join(folder, 'rules of.json'), '')
  return { folder, file }
}

function lines(command: string, args: readonly string[], folder: string): string[] {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''], `${command} ${args.join(' ')}`)
  return stdout.split('\n').filter((line) => line !== '')
}

async function bash(t: TestContext): Promise<Complete> {
  const { file, folder } = await script(t, 'bash')
  const ask = `source "$1"; shift; complete -p mooring >/dev/null || exit 1
COMP_WORDS=(mooring "$@"); COMP_CWORD=$#; _mooring; printf '%s\\n' "\${COMPREPLY[@]}"`
  return (...words) => lines('bash', ['--norc', '--noprofile', '-c', ask, 'bash', file, ...words], folder)
}

async function zsh(t: TestContext): Promise<Complete> {
  const { file, folder } = await script(t, 'zsh')
  // In place of the completion system, which wants a keyboard: what it is told is printed.
  const ask = `compdef() { [[ "$*" == '_mooring mooring' ]] || exit 1 }; compadd() { shift; print -rl -- "$@" }; _files() { print -rl -- * }
source "$1"; shift; words=(mooring "$@"); CURRENT=$#words; last=$words[CURRENT]
_mooring | while IFS= read -r word; do [[ $word == $last* ]] && print -r -- $word; done; true`
  return (...words) => lines('zsh', ['-f', '-c', ask, 'zsh', file, ...words], folder)
}

async function fish(t: TestContext): Promise<Complete> {
  const { file, folder } = await script(t, 'fish')
  return (...words) => {
    const typed = ['mooring', ...words].join(' ')
    const found = lines('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', file, typed], folder)
    return found.map((line) => line.split('\t')[0] ?? '')
  }
}

const shells: Readonly<Record<string, (t: TestContext) => Promise<Complete>>> = { bash, zsh, fish }

for (const [shell, completeIn] of Object.entries(shells)) {
  test(`${shell} completes commands, their sub-commands, options and values`, async (t) => {
    if (spawnSync(shell, ['-c', 'true']).error !== undefined) {
      t.skip(`${shell} is not installed`)
      return
    }
    const complete = await completeIn(t)
    const found = (...words: string[]) => complete(...words).toSorted()
    assert.deepEqual(found(''), [...Object.keys(commands), ...Object.keys(onFiles), 'help'].toSorted())
    assert.deepEqual(found('s'), ['sql', 'status', 'sub'])
    assert.deepEqual(found('devices', ''), ['create', 'delete', 'disable', 'enable', 'kick', 'list', 'set', 'show'])
    assert.deepEqual(found('twin', ''), ['diff', 'history', 'set', 'show'])
    assert.deepEqual(found('commands', ''), ['cancel', 'list', 'progress', 'send', 'show'])
    assert.deepEqual(found('conversations', ''), ['begin', 'cancel', 'list'])
    assert.deepEqual(found('devices', 's'), ['set', 'show'])
    assert.deepEqual(found('bans', ''), ['lift', 'list'])
    assert.deepEqual(found('claims', ''), ['accept', 'list', 'refuse'])
    assert.deepEqual(found('devices', '--t'), ['--tag', '--type'])
    assert.deepEqual(found('devices', 'set', 'pump-1', '--n'), ['--name'])
    assert.deepEqual(found('devices', '--g'), ['--gateway', '--group'])
    assert.deepEqual(found('types', ''), ['list', 'remove', 'set', 'show'])
    assert.deepEqual(found('groups', ''), ['list', 'remove', 'set'])
    assert.deepEqual(found('types', 'set', 'rules'), ['rules of.json'])
    assert.deepEqual(found('keys', 'create', 'ci', '--role', ''), ['admin', 'operator', 'viewer'])
    assert.deepEqual(found('ca', ''), ['issue', 'list', 'revoke', 'show'])
    assert.deepEqual(found('ca', 'issue', 'pump-1', '--csr', 'rules'), ['rules of.json'])
    assert.deepEqual(found('explain', 'pub'), ['publish'])
    assert.deepEqual(found('completion', ''), ['bash', 'fish', 'zsh'])
    assert.deepEqual(found('help', 'cred'), ['credentials'])
    assert.deepEqual(found('sub', 'a/b', '--l'), ['--last'])
    assert.deepEqual(found('restore', 'x', '--f'), ['--force'])
    assert.deepEqual(found('roles', 'set', 'grower', 'rules'), ['rules of.json'])
    assert.deepEqual(found('status', '--ca', 'rules'), ['rules of.json'])
  })
}

test('each place of the table has its help, which names every option', async (t) => {
  for (const { words, options } of placesOf(commands).filter((place) => place.words.includes(' '))) {
    const { code, stdout, stderr } = await run(t, [...words.split(' '), '--help'])
    assert.deepEqual([code, stderr], [0, ''], words)
    assert.ok(stdout.startsWith(`mooring ${words}`), words)
    for (const name of Object.keys(options)) assert.ok(name === 'help' || stdout.includes(`  --${name}`), `${words} --${name}`)
    for (const line of stdout.split('\n')) assert.ok(line.length <= 130, line)
  }
})

test('help of groups and of commands on files; what there is not, is one line and exit code 2', async (t) => {
  assert.match(
    (await run(t, ['devices', '--help'])).stdout,
    /^mooring devices COMMAND \[options\]: .*\n\n {2}list +list devices\n {2}show ID +/,
  )
  assert.match((await run(t, ['help', 'keys', 'create'])).stdout, /^mooring keys create NAME \[options\]\n/)
  assert.match((await run(t, ['help', 'backup'])).stdout, /^mooring backup \[options\]\n[\s\S]*--to FOLDER/)
  const overview = (await run(t, ['--help'])).stdout
  for (const name of [...Object.keys(commands), ...Object.keys(onFiles)]) assert.match(overview, new RegExp(`^ {2}${name} +\\w`, 'm'))
  for (const args of [
    ['fly'],
    ['help', 'fly'],
    ['fly', '--help'],
    ['toString'],
    ['keys', 'fly'],
    ['completion', 'csh'],
    ['completion'],
    ['status', '--fly'],
    ['status', '--url'],
  ]) {
    const { code, stdout, stderr } = await run(t, args)
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, /^mooring: [^\n]+ \(mooring [a-z ]*--help\)\.\n$/, args.join(' '))
  }
})
