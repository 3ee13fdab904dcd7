// mooring users: the people who log in to the dashboard.
import { randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { define, exitCodes, type Group, say, UsageError } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf } from './times.ts'

interface User {
  readonly name: string
  readonly role: string
  readonly disabled: boolean
  readonly createdAt: number
  readonly lastLoginAt: number | null
  readonly logins: number
  readonly secondFactor: boolean
}

const roleOption = {
  type: 'string',
  value: 'ROLE',
  words: ['viewer', 'operator', 'admin'],
  says: 'what he may do: the name of a role',
} as const
const fileOption = { type: 'string', value: 'FILE', says: 'its first line is the password' } as const

/** Those that are taken for one another are left out; 20 of them are 116 bits. */
const characters = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const passwordLength = 20

const list = define({
  summary: 'the people who may log in',
  operands: [],
  about: 'Times are UTC.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const answer = await askJson<{ users: readonly User[] }>(values, {
      method: 'GET',
      path: '/v1/users',
      role: 'admin',
      signal: terminal.signal,
    })
    const rows = answer.users.map(({ name, role, disabled, createdAt, lastLoginAt, logins, secondFactor }): Cell[] => {
      return [name, role, yesNo(disabled), timeOf(createdAt), timeOf(lastLoginAt), `${logins}`, yesNo(secondFactor)]
    })
    const columns = columnsOf('name', 'role', 'disabled', 'created', 'last login', 'logins', 'second factor')
    return printList(terminal, values, answer, { columns, rows })
  },
})

const create = define({
  summary: 'make a user',
  operands: ['NAME'],
  about: `Prints a password that is made for him on stdout, once; he can change it. With --password-file nothing is printed.
Roles: viewer sees everything, operator sends commands too, admin manages the hub; mooring roles lists all.`,
  options: { role: { ...roleOption, default: 'viewer' }, 'password-file': fileOption, ...hubOptions },
  ends: '1 he is not made, ',
  async run(values, [name = ''], terminal) {
    const said = await passwordIn(values['password-file'])
    const password = said ?? newPassword()
    const body = JSON.stringify({ name, role: values.role, password })
    const made = await askJson<User>(values, { method: 'POST', path: '/v1/users', body, role: 'admin', signal: terminal.signal })
    if (said === undefined) await print(terminal, `${password}\n`)
    say(terminal, `${made.name} may log in, with the role ${made.role}.`)
    return exitCodes.done
  },
})

const set = define({
  summary: 'change the role or the password of a user, or take his second factor',
  operands: ['NAME'],
  about: `A new password ends his logins. --new-password prints one that is made for him on stdout, once.
A second factor is turned on by the user himself, on his page of the dashboard.`,
  options: {
    role: roleOption,
    'new-password': { type: 'boolean', says: 'where he has forgotten his' },
    'password-file': fileOption,
    'no-second-factor': { type: 'boolean', says: 'his password is enough again: where phone and recovery codes are lost' },
    ...hubOptions,
  },
  ends: '1 he is not changed, ',
  async run(values, [name = ''], terminal) {
    const { role, 'new-password': isNew, 'password-file': file, 'no-second-factor': isTaken } = values
    if (isNew === true && file !== undefined) throw new UsageError('--new-password or --password-file, not both')
    if (role === undefined && isNew !== true && file === undefined && isTaken !== true)
      throw new UsageError('say --role, --new-password, --password-file or --no-second-factor')
    const password = isNew === true ? newPassword() : await passwordIn(file)
    const body = JSON.stringify({ role, password, ...(isTaken === true ? { secondFactor: false } : {}) })
    const { role: now } = await askJson<User>(values, { method: 'PATCH', path: pathOf(name), body, role: 'admin', signal: terminal.signal })
    if (isNew === true) await print(terminal, `${password}\n`)
    const has = [
      `the role ${now}`,
      ...(password === undefined ? [] : ['a new password']),
      ...(isTaken === true ? ['no second factor'] : []),
    ]
    say(terminal, `${name} has ${new Intl.ListFormat('en').format(has)}.`)
    return exitCodes.done
  },
})

function shutting(disabled: boolean) {
  return define({
    summary: disabled ? 'shut a user out' : 'let a user in again',
    operands: ['NAME'],
    about: disabled ? 'His logins end at once.' : 'His password is good again.',
    options: hubOptions,
    ends: '1 it is not done, ',
    async run(values, [name = ''], terminal) {
      const body = JSON.stringify({ disabled })
      await askJson(values, { method: 'PATCH', path: pathOf(name), body, role: 'admin', signal: terminal.signal })
      say(terminal, `${name} is ${disabled ? 'disabled' : 'enabled'}.`)
      return exitCodes.done
    },
  })
}

const remove = define({
  summary: 'remove a user',
  operands: ['NAME'],
  about: 'His logins end at once. What he did stays in the audit log.',
  options: hubOptions,
  ends: '1 it is not done, ',
  async run(values, [name = ''], terminal) {
    await askJson(values, { method: 'DELETE', path: pathOf(name), role: 'admin', signal: terminal.signal })
    say(terminal, `removed ${name}.`)
    return exitCodes.done
  },
})

function yesNo(is: boolean): string {
  return is ? 'yes' : 'no'
}

function pathOf(name: string): string {
  return `/v1/users/${encodeURIComponent(name)}`
}

function newPassword(): string {
  return Array.from({ length: passwordLength }, () => characters[randomInt(characters.length)]).join('')
}

/** Errors: `UsageError`. */
async function passwordIn(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`--password-file: ${error.message}`)
  })
  return text.split(/\r?\n/, 1)[0]
}

export const usersGroup: Group = {
  summary: 'the people who log in: list, create, set, disable, remove',
  commands: { list, create, set, enable: shutting(false), disable: shutting(true), remove },
  standard: 'list',
}
