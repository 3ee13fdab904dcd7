// mooring groups: names for questions that devices are chosen by.
import { define, exitCodes, type Group, say } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { columnsOf, jsonOption, printList } from './print.ts'

interface DeviceGroup {
  readonly name: string
  readonly query: string
  readonly description?: string
}

/** Wherever devices are chosen. */
export const groupOption = { type: 'string', value: 'GROUP', says: 'devices of this group (mooring groups)' } as const

const list = define({
  summary: 'list groups of devices',
  operands: [],
  about: 'Which devices belong to one: mooring devices --group NAME.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { signal } = terminal
    const answer = await askJson<{ groups: readonly DeviceGroup[] }>(values, { method: 'GET', path: '/v1/groups', signal })
    const rows = answer.groups.map(({ name, query, description = null }) => [name, query, description])
    return printList(terminal, values, answer, { columns: columnsOf('group', 'query', 'description'), rows })
  },
})

const set = define({
  summary: 'make a group, or choose other devices by its name',
  operands: ['NAME', 'QUERY'],
  about: `QUERY is of words that a device has to meet, such as 'site=north type=pump floor!=2 owner !spare note="two words"':
a tag with this value, type for its type; another value, or none; any value; none. Who belongs to the group is found
when it is asked.`,
  options: { description: { type: 'string', value: 'TEXT', says: 'what people know it by' }, ...hubOptions },
  ends: '1 it is not changed, ',
  async run(values, [name = '', query = ''], terminal) {
    const { description } = values
    const { signal } = terminal
    const body = JSON.stringify({ query, ...(description === undefined ? {} : { description }) })
    await askJson(values, { method: 'PUT', path: pathOf(name), body, role: 'admin', signal })
    const path = `/v1/devices?${new URLSearchParams({ group: name, limit: '1' })}`
    const { total } = await askJson<{ total: number }>(values, { method: 'GET', path, signal })
    say(terminal, `${total === 1 ? '1 device belongs' : `${total} devices belong`} to the group ${name} now.`)
    return exitCodes.done
  },
})

const remove = define({
  summary: 'remove a group',
  operands: ['NAME'],
  about: 'Its devices stay as they are.',
  options: hubOptions,
  ends: '1 it is not removed, ',
  async run(values, [name = ''], terminal) {
    await askJson(values, { method: 'DELETE', path: pathOf(name), role: 'admin', signal: terminal.signal })
    say(terminal, `removed the group ${name}.`)
    return exitCodes.done
  },
})

function pathOf(name: string): string {
  return `/v1/groups/${encodeURIComponent(name)}`
}

export const groupsGroup: Group = {
  summary: 'devices chosen by their tags: list, set, remove',
  commands: { list, set, remove },
  standard: 'list',
}
