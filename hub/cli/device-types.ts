// mooring types: what devices of one type have in common.
import { CommandError, define, exitCodes, type Group, say } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { textOfFile } from './files.ts'
import { columnsOf, jsonOption, print, printList, screenWidthOf } from './print.ts'
import { type Cell, tableOf } from './table.ts'

interface MetricRule {
  readonly type: string
  readonly unit?: string
  readonly every?: number
  readonly min?: number
  readonly max?: number
  readonly description?: string
}

interface DeviceType {
  readonly name: string
  readonly description?: string
  readonly role?: string
  readonly limits?: Readonly<Record<string, number>>
  readonly children?: string
  readonly metrics?: Readonly<Record<string, MetricRule>>
  readonly others?: string
  readonly keep?: string
}

const list = define({
  summary: 'list device types',
  operands: [],
  about: 'What is not said of a type is as the hub has it for all.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const answer = await askJson<{ types: readonly DeviceType[] }>(values, { method: 'GET', path: '/v1/types', signal: terminal.signal })
    const rows = answer.types.map(({ name, role = null, limits, metrics, keep = null, description = null }): Cell[] => {
      return [name, role, limitsOf(limits), metrics === undefined ? null : Object.keys(metrics).length, keep, description]
    })
    return printList(terminal, values, answer, { columns: columnsOf('type', 'role', 'limits', 'metrics', 'keep', 'description'), rows })
  },
})

const show = define({
  summary: 'all about a device type',
  operands: ['NAME'],
  about: 'With --json as a file that types set takes.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 there is none or the hub did not answer, ',
  async run(values, [name = ''], terminal) {
    const { types } = await askJson<{ types: readonly DeviceType[] }>(values, { method: 'GET', path: '/v1/types', signal: terminal.signal })
    const type = types.find((one) => one.name === name)
    if (type === undefined) throw new CommandError(`there is no device type ${name}`)
    await print(terminal, values.json === true ? `${JSON.stringify(type)}\n` : textOf(type, screenWidthOf(terminal)))
    return exitCodes.done
  },
})

function textOf({ name, description, role, limits, children, metrics = {}, others, keep }: DeviceType, width: number | undefined): string {
  const about: [string, Cell][] = [
    ['type', name],
    ['description', description ?? null],
    ['role', role ?? null],
    ['limits', limitsOf(limits)],
    ['children', children ?? null],
    ['other metrics', others ?? null],
    ['keep', keep ?? null],
  ]
  const said = about.filter(([, value]) => value !== null)
  const rows = Object.entries(metrics).map(
    ([metric, { type, unit = null, min = null, max = null, every = null, description = null }]): Cell[] => {
      return [metric, type, unit, min, max, every, description]
    },
  )
  const columns = columnsOf('metric', 'type', 'unit', 'min', 'max', 'every', 'description')
  return (
    tableOf({ columns: columnsOf('type', ''), rows: said }, width) + (rows.length === 0 ? '' : `\n${tableOf({ columns, rows }, width)}`)
  )
}

const set = define({
  summary: 'make a device type, or another one of it',
  operands: ['FILE.json'],
  about: `FILE holds the type, all but its name if wished:
  {"name":"pump","role":"pumps","keep":"raw 30d, minute 1y","others":"refuse",
   "limits":{"messagesPerSecond":10,"bytesPerSecond":10000,"burstSeconds":60,"subscriptions":20},
   "metrics":{"t":{"type":"number","unit":"°C","min":-40,"max":125,"every":60},"on":{"type":"boolean"}}}
A metric is a number, integer, boolean, string or json. The role is of devices whose credentials have the role device.
Of gateways, "children":"new" lets them bring devices that nobody has heard of.
It holds at once, also for devices that are connected; points older than keep says are let go of within seconds.`,
  options: hubOptions,
  ends: '1 it is not changed, ',
  async run(values, [file = ''], terminal) {
    const body = await textOfFile(file)
    const path = `/v1/types/${encodeURIComponent(nameIn(file, body))}`
    const { name } = await askJson<DeviceType>(values, { method: 'PUT', path, body, role: 'admin', signal: terminal.signal })
    say(terminal, `the type ${name} is as ${file} says.`)
    return exitCodes.done
  },
})

const remove = define({
  summary: 'remove a device type that no device has',
  operands: ['NAME'],
  about: 'Refused while devices have it: without it they could do what it keeps them from.',
  options: hubOptions,
  ends: '1 it is not removed, ',
  async run(values, [name = ''], terminal) {
    const path = `/v1/types/${encodeURIComponent(name)}`
    await askJson(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(terminal, `removed the type ${name}.`)
    return exitCodes.done
  },
})

/** Errors: `CommandError`. */
function nameIn(file: string, text: string): string {
  let type: Partial<DeviceType> | null
  try {
    type = JSON.parse(text) as Partial<DeviceType> | null
  } catch (error) {
    throw new CommandError(`${file} is not JSON: ${(error as Error).message}`)
  }
  if (typeof type?.name !== 'string') throw new CommandError(`${file} does not say the name of the type`)
  return type.name
}

function limitsOf(limits: DeviceType['limits']): string | null {
  if (limits === undefined) return null
  const said = Object.entries(limits).map(([name, value]) => `${name}=${value}`)
  return said.join(' ')
}

export const typesGroup: Group = {
  summary: 'what devices of a type may do and send: list, show, set, remove',
  commands: { list, show, set, remove },
  standard: 'list',
}
