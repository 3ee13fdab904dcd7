// mooring roles: names for lists of rules, and why a rule lets somebody do something or not.
import { define, exitCodes, type Group, say } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { textOfFile } from './files.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import { type Cell, tableOf } from './table.ts'

interface Rule {
  readonly effect: string
  readonly actions: readonly string[]
  readonly filter: string
}

interface Role {
  readonly name: string
  readonly rules: readonly Rule[]
  readonly isBuiltIn: boolean
}

interface Explained {
  readonly allowed: boolean
  readonly sentence: string
  readonly role: string
  readonly asked: readonly { readonly number: number; readonly rule: Rule; readonly filter: string; readonly matches: boolean }[]
}

const list = define({
  summary: 'roles and their rules',
  operands: [],
  about: 'A line for each rule. Deny wins over allow, and without a rule nothing is allowed.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { signal } = terminal
    const answer = await askJson<{ roles: readonly Role[] }>(values, { method: 'GET', path: '/v1/roles', role: 'admin', signal })
    const rows = answer.roles.flatMap(({ name, rules, isBuiltIn }): Cell[][] => {
      const whose = isBuiltIn ? 'built in' : ''
      if (rules.length === 0) return [[name, '', '', '', whose]]
      return rules.map(({ effect, actions, filter }) => [name, effect, actions.join(' '), filter, whose])
    })
    return printList(terminal, values, answer, { columns: columnsOf('role', 'effect', 'actions', 'filter', ''), rows })
  },
})

const set = define({
  summary: 'make a role, or give it other rules',
  operands: ['NAME', 'FILE.json'],
  about: `FILE holds a list of rules, such as [{"effect":"allow","actions":["publish","subscribe"],"filter":"plants/%d/#"}].
Actions: publish, subscribe, retain, command, admin. In a filter %d is the device, %c the client, %u the user, %t(name) a tag.
It takes effect at once for everybody who has the role.`,
  options: hubOptions,
  ends: '1 it is not changed, ',
  async run(values, [name = '', file = ''], terminal) {
    const body = await textOfFile(file)
    const path = `/v1/roles/${encodeURIComponent(name)}`
    const { rules } = await askJson<Role>(values, { method: 'PUT', path, body, role: 'admin', signal: terminal.signal })
    say(terminal, `the role ${name} has ${rules.length === 1 ? '1 rule' : `${rules.length} rules`}.`)
    return exitCodes.done
  },
})

const remove = define({
  summary: 'remove a role',
  operands: ['NAME'],
  about: 'Who has it may do nothing from now on.',
  options: hubOptions,
  ends: '1 it is not removed, ',
  async run(values, [name = ''], terminal) {
    const path = `/v1/roles/${encodeURIComponent(name)}`
    await askJson(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(terminal, `removed the role ${name}.`)
    return exitCodes.done
  },
})

export const rolesGroup: Group = { summary: 'what who may do: list, set, remove rules', commands: { list, set, remove }, standard: 'list' }

export const explainCommand = define({
  summary: 'why something is allowed, or not',
  operands: ['ACTION', 'TOPIC'],
  words: ['publish', 'subscribe', 'retain', 'command', 'admin'],
  about: `Says which rule decides, and lists all that were asked. TOPIC is a topic name, or for subscribe a filter; ACTION is publish,
subscribe, retain, command or admin. Without --device and --role it is about whoever asks.`,
  options: {
    device: { type: 'string', value: 'ID', says: 'as this device would be asked, with the role of its newest credential' },
    role: {
      type: 'string',
      value: 'ROLE',
      words: ['device', 'viewer', 'operator', 'admin'],
      says: 'as somebody with this role would be asked',
    },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 the hub did not answer, 3 it is not allowed, ',
  async run(values, [action = '', topic = ''], terminal) {
    const { device, role, json } = values
    const query = new URLSearchParams({ action, topic })
    if (device !== undefined) query.set('device', device)
    if (role !== undefined) query.set('role', role)
    const path = `/v1/permissions/explain?${query}`
    const answer = await askJson<Explained>(values, { method: 'GET', path, role: 'admin', signal: terminal.signal })
    await print(terminal, json === true ? `${JSON.stringify(answer)}\n` : textOf(answer))
    return answer.allowed ? exitCodes.done : exitCodes.notAllowed
  },
})

function textOf({ allowed, sentence, role, asked }: Explained): string {
  const verdict = `${allowed ? 'Allowed' : 'Not allowed'}, as ${role === '' ? 'nobody' : role}: ${sentence}\n`
  if (asked.length === 0) return verdict
  const rows = asked.map(({ number, rule, filter, matches }): Cell[] => {
    return [number, rule.effect, rule.actions.join(' '), rule.filter, filter === rule.filter ? '' : filter, matches ? 'yes' : 'no']
  })
  const columns = [{ name: 'rule', type: 'integer' }, ...columnsOf('effect', 'actions', 'filter', 'that is', 'matches')]
  return `${verdict}\n${tableOf({ columns, rows }, undefined)}`
}
