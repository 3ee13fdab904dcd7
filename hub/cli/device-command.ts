// mooring command: something is asked of one device.
import { countIn, define, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { ask, hubOptions, textOf } from './connection.ts'
import { jsonOption, print } from './print.ts'
import { stretchMs } from './times.ts'

export interface DeviceCommand {
  readonly id: string
  readonly device: string
  readonly name: string
  readonly state: string
  readonly over: boolean
  readonly reason: string | null
  readonly result: unknown
  readonly bulk: string | null
  readonly createdAt: number
  readonly expiresAt: number
  readonly attempts: { readonly made: number; readonly most: number }
  readonly by: string
  readonly trail: readonly { readonly state: string; readonly at: number; readonly reason?: string }[]
}

/** What a command is, for one device or many. */
export const askedOptions = {
  params: { type: 'string', value: 'JSON', says: 'params as JSON, in place of PARAM=VALUE' },
  expires: { type: 'string', value: 'STRETCH', says: 'given up after so long, such as 90s, 10m or 2d (1d)' },
  attempts: { type: 'string', value: 'N', says: 'handed to a wire at most so often (3); 1 is at most once' },
  key: { type: 'string', value: 'KEY', says: 'older ones with this key that are not sent yet give way' },
  until: { type: 'string', value: 'METRIC=VALUE', says: 'done is not enough: the metric has to be so, also METRIC<N and METRIC>N' },
} as const

interface Asked {
  readonly params: string | undefined
  readonly expires: string | undefined
  readonly attempts: string | undefined
  readonly key: string | undefined
  readonly until: string | undefined
}

export const paramsAbout = `A VALUE is JSON where it can be read as JSON, such as 5, true or [1,2], and else text.`

export const commandCommand = define({
  summary: 'ask something of a device',
  operands: ['DEVICE', 'NAME', '[PARAM=VALUE]…'],
  about: `The command is on disk before it is sent, and waits for a device that is away.
${paramsAbout}
Prints the id of the command, or with --wait what the device answers.`,
  options: {
    wait: { type: 'string', value: 'SECONDS', says: 'wait for what becomes of it, 60 at most' },
    ...askedOptions,
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it failed, was cancelled, or came to nothing in time, 3 it goes on after --wait, ',
  async run(values, [device = '', name = '', ...params], terminal) {
    const wait = values.wait === undefined ? '' : `?wait=${countIn('wait', values.wait)}`
    const body = JSON.stringify(commandIn(name, params, values))
    const path = `/v1/devices/${encodeURIComponent(device)}/commands${wait}`
    const text = await textOf(await ask(values, { method: 'POST', path, body, signal: terminal.signal }))
    const command = JSON.parse(text) as DeviceCommand
    if (values.json === true) await print(terminal, `${text}\n`)
    else if (wait === '') await print(terminal, `${command.id}\n`)
    else await printEnd(terminal, command)
    return wait === '' ? exitCodes.done : exitCodeOf(command)
  },
})

async function printEnd(terminal: Terminal, { id, device, state, over, reason, result }: DeviceCommand): Promise<void> {
  if (result !== null) await print(terminal, `${JSON.stringify(result)}\n`)
  const why = reason === null ? '' : `: ${reason}`
  say(
    terminal,
    over ? `${id} of ${device} is ${state}${why}.` : `${id} of ${device} is ${state} so far; mooring commands show ${id} says more.`,
  )
}

function exitCodeOf({ state, over }: DeviceCommand): number {
  if (!over) return exitCodes.partly
  return state === 'done' || state === 'effective' ? exitCodes.done : exitCodes.failed
}

/** As the hub takes it. Errors: `UsageError`. */
export function commandIn(name: string, given: readonly string[], asked: Asked): object {
  const { params: text, expires, attempts, key, until } = asked
  if (text !== undefined && given.length > 0) throw new UsageError('--params or PARAM=VALUE, not both')
  const params = text === undefined ? Object.fromEntries(given.map(paramIn)) : jsonIn(text)
  const expiresMs = expires === undefined ? undefined : stretchMs(expires)
  if (expires !== undefined && expiresMs === undefined)
    throw new UsageError(`--expires takes a stretch such as 90s, 10m or 2d, not ${expires}`)
  return {
    name,
    params,
    key,
    ...(expiresMs === undefined ? {} : { expiresInSeconds: expiresMs / 1000 }),
    ...(attempts === undefined ? {} : { attempts: countIn('attempts', attempts) }),
    ...(until === undefined ? {} : { until: conditionIn(until) }),
  }
}

/** Errors: `UsageError`. */
export function paramIn(text: string): [name: string, value: unknown] {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === undefined || value === undefined) throw new UsageError(`a parameter is PARAM=VALUE, not ${text}`)
  return [name, valueIn(value)]
}

function conditionIn(text: string): object {
  const [, metric, comparison, value = ''] = /^([^<>=]+)([<>=])(.*)$/s.exec(text) ?? []
  if (metric === undefined) throw new UsageError(`--until takes METRIC=VALUE, METRIC<N or METRIC>N, not ${text}`)
  if (comparison === '=') return { metric, equals: valueIn(value) }
  if (value.trim() === '' || Number.isNaN(Number(value))) throw new UsageError(`--until compares with a number, not ${value}`)
  return { metric, [comparison === '<' ? 'below' : 'above']: Number(value) }
}

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`--params is no JSON: ${(error as Error).message}`)
  }
}
