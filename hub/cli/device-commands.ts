// mooring commands: what was asked of devices, what became of it, and the same asked of many.
import { setTimeout as after } from 'node:timers/promises'
import { CommandError, countIn, define, exitCodes, type Group, say, type Terminal, UsageError } from './command.ts'
import { askJson, type HubAddress, hubOptions } from './connection.ts'
import { askedOptions, commandIn, type DeviceCommand, paramsAbout } from './device-command.ts'
import { tagIn } from './devices.ts'
import { groupOption } from './groups.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf } from './times.ts'

interface Bulk {
  readonly id: string
  readonly name: string
  readonly targets: number
  readonly over: boolean
  readonly counts: Readonly<Record<string, number>>
  readonly createdAt: number
  readonly by: string
}

/** What the hub gives at a time. */
const pageMax = 1000
const lookEveryMs = 500
const states = ['queued', 'sent', 'received', 'done', 'effective', 'failed', 'expired', 'cancelled'] as const
const stateOption = { type: 'string', multiple: true, value: 'STATE', words: states, says: 'in this state; may repeat' } as const
const chosenOptions = {
  group: groupOption,
  type: { type: 'string', value: 'TYPE', says: 'devices of this type' },
  tag: { type: 'string', multiple: true, value: 'NAME=VALUE', says: 'devices with this tag; may repeat' },
} as const

const list = define({
  summary: 'what was asked of devices, the newest first',
  operands: [],
  about: 'Those that are over are kept for a while. Times are UTC.',
  options: {
    device: { type: 'string', multiple: true, value: 'ID', says: 'of this device; may repeat' },
    state: stateOption,
    bulk: { type: 'string', value: 'ID', says: 'of this bulk' },
    ...chosenOptions,
    limit: { type: 'string', value: 'N', default: '100', says: 'at most so many (100)' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { device = [], state = [], bulk, group, type, tag = [], limit } = values
    const most = countIn('limit', limit)
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries({ bulk, group, type })) if (value !== undefined) query.set(name, value)
    for (const id of device) query.append('device', id)
    for (const one of state) query.append('state', one)
    for (const [name, value] of tag.map(tagIn)) query.append('tag', `${name}:${value}`)
    const commands: DeviceCommand[] = []
    let next: string | null | undefined
    while (next !== null && commands.length < most) {
      query.set('limit', `${Math.min(pageMax, most - commands.length)}`)
      if (next !== undefined) query.set('before', next)
      const path = `/v1/commands?${query}`
      const page = await askJson<{ commands: readonly DeviceCommand[]; next: string | null }>(values, {
        method: 'GET',
        path,
        signal: terminal.signal,
      })
      commands.push(...page.commands)
      next = page.next
    }
    const rows = commands.map(({ id, device: of, name, state: is, reason, createdAt, attempts, by }): Cell[] => {
      return [id, of, name, is, reason, timeOf(createdAt), `${attempts.made}/${attempts.most}`, by]
    })
    const columns = columnsOf('id', 'device', 'name', 'state', 'reason', 'asked', 'attempts', 'by')
    const code = await printList(terminal, values, { commands, next }, { columns, rows })
    if (next !== null) say(terminal, 'there are older ones; --limit shows more.')
    return code
  },
})

const show = define({
  summary: 'one command, step by step',
  operands: ['ID'],
  about: 'ID is the first column of the list. Times are UTC.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 there is none, ',
  async run(values, [id = ''], terminal) {
    const command = await askJson<DeviceCommand>(values, { method: 'GET', path: pathOf('commands', id), signal: terminal.signal })
    const rows = command.trail.map(({ state, at, reason = null }): Cell[] => [state, new Date(at).toISOString(), reason])
    const code = await printList(terminal, values, command, { columns: columnsOf('state', 'at', 'reason'), rows })
    if (command.result !== null && values.json !== true) await print(terminal, `${JSON.stringify(command.result)}\n`)
    return code
  },
})

const cancel = define({
  summary: 'cancel a command, or what is left of a bulk',
  operands: ['ID'],
  about: 'What is not sent yet is not sent. Of what was sent the device is not asked; its reply changes nothing then.',
  options: { bulk: { type: 'boolean', says: 'ID is that of a bulk' }, ...hubOptions },
  ends: '1 it is not cancelled, ',
  async run(values, [id = ''], terminal) {
    const path = pathOf(values.bulk === true ? 'bulks' : 'commands', id)
    await askJson(values, { method: 'DELETE', path, signal: terminal.signal })
    say(terminal, `cancelled ${id}.`)
    return exitCodes.done
  },
})

const send = define({
  summary: 'ask the same of many devices',
  operands: ['NAME', '[PARAM=VALUE]…'],
  about: `The devices of a group, of a type, with a tag, or those that are named.
${paramsAbout}
Prints the id of the bulk once each target is on disk.`,
  options: {
    device: { type: 'string', multiple: true, value: 'ID', says: 'this device; may repeat' },
    ...chosenOptions,
    concurrency: { type: 'string', value: 'N', says: 'so many under way at a time (100)' },
    follow: { type: 'boolean', says: 'stay until all are over, and say how far it is' },
    ...askedOptions,
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not sent, 3 some targets failed, ',
  async run(values, [name = '', ...params], terminal) {
    const { device, group, type, tag, concurrency } = values
    const body = JSON.stringify({
      ...commandIn(name, params, values),
      ...{ devices: device, group, type, tag: tag?.map(tagIn).map(([tagName, value]) => `${tagName}:${value}`) },
      ...(concurrency === undefined ? {} : { concurrency: countIn('concurrency', concurrency) }),
    })
    const { signal } = terminal
    const bulk = await askJson<Bulk>(values, { method: 'POST', path: '/v1/commands', body, signal })
    await print(terminal, values.json === true ? `${JSON.stringify(bulk)}\n` : `${bulk.id}\n`)
    return values.follow === true ? follow(values, bulk.id, terminal) : exitCodes.done
  },
})

const progress = define({
  summary: 'how far commands to many devices are',
  operands: ['[BULK]'],
  about: 'All of them, or this one; what became of each target: mooring commands --bulk BULK. Times are UTC.',
  options: { follow: { type: 'boolean', says: 'stay until all targets are over' }, json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, 3 some targets failed, ',
  async run(values, [id], terminal) {
    if (values.follow === true) {
      if (id === undefined) throw new UsageError('--follow takes one bulk')
      return follow(values, id, terminal)
    }
    const path = id === undefined ? '/v1/bulks' : pathOf('bulks', id)
    const answer = await askJson<Bulk | { bulks: readonly Bulk[] }>(values, { method: 'GET', path, signal: terminal.signal })
    const bulks = 'bulks' in answer ? answer.bulks : [answer]
    const rows = bulks.map((bulk): Cell[] => [bulk.id, bulk.name, timeOf(bulk.createdAt), bulk.targets, countsOf(bulk), bulk.by])
    return printList(terminal, values, answer, { columns: columnsOf('id', 'name', 'asked', 'targets', 'states', 'by'), rows })
  },
})

/** Resolves with the exit code. */
async function follow(hub: HubAddress, id: string, terminal: Terminal): Promise<number> {
  for (let before = ''; ; await after(lookEveryMs, undefined, { signal: terminal.signal })) {
    const bulk = await askJson<Bulk>(hub, { method: 'GET', path: pathOf('bulks', id), signal: terminal.signal })
    const now = countsOf(bulk)
    if (now !== before) say(terminal, `${id}: ${now} of ${bulk.targets}.`)
    before = now
    if (!bulk.over) continue
    const { done = 0, effective = 0 } = bulk.counts
    return done + effective === bulk.targets ? exitCodes.done : exitCodes.partly
  }
}

function countsOf({ counts }: Bulk): string {
  return states
    .filter((state) => counts[state] !== undefined)
    .map((state) => `${counts[state]} ${state}`)
    .join(', ')
}

/** Errors: `CommandError`. */
function pathOf(what: 'commands' | 'bulks', id: string): string {
  if (id === '') throw new CommandError('an id is not empty')
  return `/v1/${what}/${encodeURIComponent(id)}`
}

export const commandsGroup: Group = {
  summary: 'what was asked of devices: list, show, cancel, send to many, progress',
  commands: { list, show, cancel, send, progress },
  standard: 'list',
}
