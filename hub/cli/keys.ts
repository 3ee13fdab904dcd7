// mooring keys: what programs prove by who they are, this one too.
import { define, exitCodes, type Group } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { type Credential, type NewCredential, revokeCommand, validityOf, validityOptions } from './credentials.ts'
import { word } from './first-use.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf } from './times.ts'

const list = define({
  summary: 'keys of programs',
  operands: [],
  about: 'Without what is secret of them. Times are UTC.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { signal } = terminal
    const answer = await askJson<{ credentials: readonly Credential[] }>(values, { method: 'GET', path: '/v1/keys', role: 'admin', signal })
    const rows = answer.credentials.map(({ id, of, role, label, until, lastUsedAt }): Cell[] => {
      return [id, of.name, role, label, timeOf(until), timeOf(lastUsedAt)]
    })
    return printList(terminal, values, answer, { columns: columnsOf('id', 'name', 'role', 'label', 'until', 'last used'), rows })
  },
})

const create = define({
  summary: 'make a key',
  operands: ['NAME'],
  about: `Prints the key on stdout, once: it cannot be asked for again. NAME is the program or person it is for.
Roles: viewer reads everything, operator publishes and commands too, admin manages the hub; mooring roles lists all.`,
  options: {
    ...validityOptions,
    role: { type: 'string', value: 'ROLE', words: ['viewer', 'operator', 'admin'], says: 'what it may do: the name of a role (viewer)' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not made, ',
  async run(values, [name = ''], terminal) {
    const body = JSON.stringify(validityOf(values))
    const path = `/v1/keys/${encodeURIComponent(name)}`
    const made = await askJson<NewCredential>(values, { method: 'POST', path, body, role: 'admin', signal: terminal.signal })
    await print(terminal, `${values.json === true ? JSON.stringify(made) : made.secret}\n`)
    if (values.json !== true) terminal.stderr.write(hintFor(made, values.url))
    return exitCodes.done
  },
})

function hintFor({ of, role }: NewCredential, url: string): string {
  return [
    `mooring: the key of ${of.name}, whose role is ${role}, said this once. With it in the variable MOORING_KEY, or in a file, it is used like this:`,
    '',
    `  mooring devices --url ${word(url)}`,
    `  curl -H "Authorization: Bearer $MOORING_KEY" ${word(`${url.replace(/\/$/, '')}/v1/devices`)}`,
    '',
    '',
  ].join('\n')
}

export const keysGroup: Group = {
  summary: 'what programs prove who they are by: list, create, revoke',
  commands: { list, create, revoke: revokeCommand },
  standard: 'list',
}
