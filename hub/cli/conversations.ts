// mooring conversations: the talks of extensions with one device, such as a firmware update: begun, watched, cancelled.
import { readFile } from 'node:fs/promises'
import { setTimeout as after } from 'node:timers/promises'
import { CommandError, define, exitCodes, type Group, say, type Terminal, UsageError } from './command.ts'
import { askJson, type HubAddress, hubOptions } from './connection.ts'
import { paramIn } from './device-command.ts'
import { columnsOf, jsonOption, print, printList } from './print.ts'
import type { Cell } from './table.ts'
import { timeOf } from './times.ts'

interface Conversation {
  readonly id: string
  readonly name: string
  readonly state: 'running' | 'done' | 'failed' | 'cancelled'
  readonly by: string
  readonly startedAt: number
  readonly step: string | null
  readonly result: unknown
  readonly error: string | null
}

const lookEveryMs = 500

const list = define({
  summary: 'conversations with a device: those that run, and the last that are over',
  operands: ['DEVICE'],
  about: 'Times are UTC.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 the hub did not answer, ',
  async run(values, [device = ''], terminal) {
    const conversations = await conversationsOf(values, device, terminal)
    const rows = conversations.map(({ id, name, state, step, error, result, startedAt, by }): Cell[] => {
      return [id, name, state, step ?? error ?? (result === null ? null : JSON.stringify(result)), timeOf(startedAt), by]
    })
    const columns = columnsOf('id', 'name', 'state', 'step or end', 'begun', 'by')
    return printList(terminal, values, { conversations }, { columns, rows })
  },
})

const begin = define({
  summary: 'begin a conversation of an extension with a device',
  operands: ['DEVICE', 'NAME', '[PARAM=VALUE]…'],
  about: `A VALUE that is JSON is taken as such, else it is text. With --file the bytes of the file go along, and each VALUE is text.
Prints the id of the conversation; with --follow its result.`,
  options: {
    file: { type: 'string', value: 'FILE', says: 'such as a firmware image' },
    follow: { type: 'boolean', says: 'stay until it is over, and say what it waits for' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it was not begun, or with --follow did not end well, ',
  async run(values, [device = '', name = '', ...given], terminal) {
    const { file } = values
    const params = given.map(paramIn)
    if (file !== undefined && params.length === 0) throw new UsageError('with --file a PARAM=VALUE says what it is, such as version=1.4.2')
    const query = file === undefined ? '' : `?${new URLSearchParams(given.map(textIn))}`
    const begun = await askJson<Conversation>(values, {
      method: 'POST',
      path: `${pathOf(device)}/${encodeURIComponent(name)}${query}`,
      body: file === undefined ? JSON.stringify(Object.fromEntries(params)) : await bytesOf(file),
      role: 'admin',
      signal: terminal.signal,
    })
    const shown = values.follow === true ? await follow(values, device, begun, terminal) : begun
    if (values.json === true) await print(terminal, `${JSON.stringify(shown)}\n`)
    else if (values.follow !== true) await print(terminal, `${shown.id}\n`)
    else if (shown.result !== null) await print(terminal, `${JSON.stringify(shown.result)}\n`)
    if (values.follow !== true) return exitCodes.done
    say(terminal, `${shown.name} with ${device} is ${shown.state}${shown.error === null ? '' : `: ${shown.error}`}.`)
    return shown.state === 'done' ? exitCodes.done : exitCodes.failed
  },
})

const cancel = define({
  summary: 'cancel a conversation that runs',
  operands: ['DEVICE', 'ID'],
  about: 'ID is the first column of the list.',
  options: hubOptions,
  ends: '1 none of this id runs, ',
  async run(values, [device = '', id = ''], terminal) {
    const path = `${pathOf(device)}/${encodeURIComponent(id)}`
    const { name } = await askJson<Conversation>(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(terminal, `cancelled ${name} with ${device}.`)
    return exitCodes.done
  },
})

/** Resolves with how it ended. */
async function follow(hub: HubAddress, device: string, { id }: Conversation, terminal: Terminal): Promise<Conversation> {
  for (let before: string | null = null; ; await after(lookEveryMs, undefined, { signal: terminal.signal })) {
    const now = (await conversationsOf(hub, device, terminal)).find((one) => one.id === id)
    if (now === undefined) throw new CommandError(`${id} is not known any more: the hub was started anew, or others came after it`)
    if (now.state !== 'running') return now
    if (now.step !== before && now.step !== null) say(terminal, `${now.name}: ${now.step}.`)
    before = now.step
  }
}

async function conversationsOf(hub: HubAddress, device: string, { signal }: Terminal): Promise<readonly Conversation[]> {
  const asked = { method: 'GET', path: pathOf(device), signal } as const
  return (await askJson<{ conversations: readonly Conversation[] }>(hub, asked)).conversations
}

function textIn(given: string): [name: string, value: string] {
  const end = given.indexOf('=')
  return [given.slice(0, end), given.slice(end + 1)]
}

/** Errors: `CommandError`. */
function bytesOf(file: string): Promise<Buffer> {
  return readFile(file).catch((error: Error) => {
    throw new CommandError(error.message)
  })
}

function pathOf(device: string): string {
  return `/v1/devices/${encodeURIComponent(device)}/conversations`
}

export const conversationsGroup: Group = {
  summary: 'conversations of extensions with a device: list, begin, cancel',
  commands: { list, begin, cancel },
  standard: 'list',
}
