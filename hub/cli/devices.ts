// mooring devices: who is on record, what is said of a device, and whether it may come.
import { createDevices } from './bulk.ts'
import { countIn, define, exitCodes, type Group, say, UsageError } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { textOfFile } from './files.ts'
import { groupOption } from './groups.ts'
import { columnsOf, jsonOption, print, printList, screenWidthOf } from './print.ts'
import { type Cell, tableOf } from './table.ts'
import { timeOf } from './times.ts'

interface Device {
  readonly id: string
  readonly name: string
  readonly type: string | null
  readonly tags: Readonly<Record<string, string>>
  readonly gateway: string | null
  readonly connected: boolean
  readonly presence: Presence
  readonly createdAt: number
  readonly lastSeenAt: number | null
}

interface Presence {
  readonly at: string
  readonly since: number | null
  readonly until?: number
  readonly reason?: string
}

interface DeviceInFull extends Device {
  readonly latest: Readonly<Record<string, { readonly at: number; readonly value: unknown }>>
  readonly lastRefusal: { readonly at: number; readonly topic: string; readonly sentence: string } | null
  readonly metadata: Readonly<Record<string, unknown>>
  readonly holds: { readonly metrics: Readonly<Record<string, { readonly unit?: string }>> | null }
  readonly alert: { readonly at: number; readonly addresses: readonly string[] } | null
  readonly connection: { readonly transport: string; readonly address: string; readonly sinceMs: number } | null
  readonly freshness: Readonly<Record<string, { readonly every: number | null; readonly staleAt: number | null }>>
}

interface Page {
  readonly devices: readonly Device[]
  readonly total: number
  readonly next: string | null
}

/** What the hub gives at a time. */
const pageMax = 1000

const list = define({
  summary: 'list devices',
  operands: [],
  about: 'Those that meet every condition, in the order of their ids.',
  options: {
    type: { type: 'string', value: 'TYPE', says: 'devices of this type' },
    tag: { type: 'string', multiple: true, value: 'NAME=VALUE', says: 'devices with this tag; may repeat, and then with all of them' },
    group: groupOption,
    gateway: { type: 'string', value: 'ID', says: 'devices that have this gateway' },
    search: { type: 'string', value: 'TEXT', says: 'devices whose id or name contains this' },
    limit: { type: 'string', value: 'N', default: '100', says: 'at most so many (100)' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 the hub did not answer, ',
  async run(values, _, terminal) {
    const { type, tag = [], group, gateway, search, limit } = values
    const most = countIn('limit', limit)
    const query = new URLSearchParams()
    if (type !== undefined) query.set('type', type)
    if (search !== undefined) query.set('search', search)
    if (group !== undefined) query.set('group', group)
    if (gateway !== undefined) query.set('gateway', gateway)
    for (const [name, value] of tag.map(tagIn)) query.append('tag', `${name}:${value}`)
    const devices: Device[] = []
    let total = 0
    for (let after: string | null | undefined; after !== null && devices.length < most; ) {
      query.set('limit', `${Math.min(pageMax, most - devices.length)}`)
      if (after !== undefined) query.set('after', after)
      const page = await askJson<Page>(values, { method: 'GET', path: `/v1/devices?${query}`, signal: terminal.signal })
      devices.push(...page.devices)
      total = page.total
      after = page.next
    }
    const rows = devices.map(({ id, name, type, tags, presence, lastSeenAt }) => [
      id,
      name,
      type,
      tagsOf(tags),
      presence.at,
      timeOf(presence.since),
      timeOf(lastSeenAt),
    ])
    const columns = columnsOf('id', 'name', 'type', 'tags', 'presence', 'since', 'last seen')
    const code = await printList(terminal, values, { devices, total }, { columns, rows })
    if (total > devices.length) say(terminal, `${devices.length} of ${total} devices; --limit shows more.`)
    return code
  },
})

const show = define({
  summary: 'all about a device',
  operands: ['ID'],
  about: 'What is said of it, where it is connected, and its newest values.',
  options: { json: jsonOption, ...hubOptions },
  ends: '1 it is not on record or the hub did not answer, ',
  async run(values, [id = ''], terminal) {
    const device = await askJson<DeviceInFull>(values, { method: 'GET', path: pathOf(id), signal: terminal.signal })
    if (values.json === true) {
      await print(terminal, `${JSON.stringify(device)}\n`)
      return exitCodes.done
    }
    const { connection, lastRefusal, alert } = device
    const about: [string, Cell][] = [
      ['id', device.id],
      ['name', device.name],
      ['type', device.type],
      ['tags', tagsOf(device.tags)],
      ...(device.gateway === null ? [] : [['gateway', device.gateway] satisfies [string, Cell]]),
      ...metadataRow(device.metadata),
      ['connected', connection === null ? 'no' : `by ${connection.transport} from ${connection.address}`],
      ['presence', presenceOf(device.presence)],
      ['last seen', timeOf(device.lastSeenAt)],
      ['created', timeOf(device.createdAt)],
    ]
    if (lastRefusal !== null) about.push(['last refusal', `${timeOf(lastRefusal.at)} ${lastRefusal.topic}: ${lastRefusal.sentence}`])
    if (alert !== null)
      about.push(['alert', `${timeOf(alert.at)} ${alert.addresses.join(' and ')} take it from each other: is there a copy?`])
    const latest = Object.entries(device.latest).map(([metric, { at, value }]): Cell[] => {
      const { unit } = device.holds.metrics?.[metric] ?? {}
      const staleAt = device.freshness[metric]?.staleAt ?? null
      const stale = staleAt === null ? '' : `, stale since ${timeOf(staleAt)}`
      return [metric, JSON.stringify(value) + (unit === undefined ? '' : ` ${unit}`), `${timeOf(at)}${stale}`]
    })
    const width = screenWidthOf(terminal)
    const newest = latest.length === 0 ? '' : `\n${tableOf({ columns: columnsOf('metric', 'value', 'at'), rows: latest }, width)}`
    await print(terminal, tableOf({ columns: columnsOf('device', ''), rows: about }, width) + newest)
    return exitCodes.done
  },
})

const set = define({
  summary: 'say what a device is',
  operands: ['ID'],
  about: `What is not named stays as it is. An empty value takes it away: --type, --gateway, --tag NAME=, and --name, which is the id then.
Metadata is any JSON object, merged into what is there (RFC 7396): null removes a member, and in place of the object all of it.`,
  options: {
    name: { type: 'string', value: 'NAME', says: 'what people call it' },
    type: { type: 'string', value: 'TYPE', says: 'the same word for all that are alike' },
    tag: { type: 'string', multiple: true, value: 'NAME=VALUE', says: 'where it stands, whose it is; may repeat' },
    gateway: { type: 'string', value: 'ID', says: 'the device whose connections speak for it, too' },
    metadata: { type: 'string', value: 'FILE|JSON', says: 'whatever else there is to know, as JSON, or a file of it' },
    json: jsonOption,
    ...hubOptions,
  },
  ends: '1 it is not changed, ',
  async run(values, [id = ''], terminal) {
    const { name, type, tag, gateway, metadata } = values
    if ([name, type, tag, gateway, metadata].every((said) => said === undefined))
      throw new UsageError('say --name, --type, --tag, --gateway or --metadata')
    const change = {
      ...(name === undefined ? {} : { name: orNull(name) }),
      ...(type === undefined ? {} : { type: orNull(type) }),
      ...(tag === undefined ? {} : { tags: Object.fromEntries(tag.map(tagIn).map(([tagName, value]) => [tagName, orNull(value)])) }),
      ...(gateway === undefined ? {} : { gateway: orNull(gateway) }),
      ...(metadata === undefined ? {} : { metadata: await metadataIn(metadata) }),
    }
    const body = JSON.stringify(change)
    const device = await askJson<Device>(values, { method: 'PATCH', path: pathOf(id), body, role: 'admin', signal: terminal.signal })
    if (values.json === true) await print(terminal, `${JSON.stringify(device)}\n`)
    else
      say(
        terminal,
        `${device.id} has the name ${device.name}, ${device.type === null ? 'no type' : `the type ${device.type}`} and ${tagsOf(device.tags) || 'no tags'}.`,
      )
    return exitCodes.done
  },
})

function shutting(disabled: boolean) {
  return define({
    summary: disabled ? 'shut a device out' : 'let a device in again',
    operands: ['ID'],
    about: disabled ? 'It is closed at once, and refused whatever it presents.' : 'Its credentials are good again.',
    options: hubOptions,
    ends: '1 it is not done, ',
    async run(values, [id = ''], terminal) {
      await askJson(values, {
        method: 'PUT',
        path: `${pathOf(id)}/disabled`,
        body: `${disabled}`,
        role: 'admin',
        signal: terminal.signal,
      })
      say(terminal, `${id} is ${disabled ? 'disabled' : 'enabled'}.`)
      return exitCodes.done
    },
  })
}

const remove = define({
  summary: 'delete a device and all that is stored of it',
  operands: ['ID'],
  about: 'Its points, its messages and its credentials are gone for good, and it is closed. The same id later is another device.',
  options: hubOptions,
  ends: '1 it is not done, ',
  async run(values, [id = ''], terminal) {
    await askJson(values, { method: 'DELETE', path: pathOf(id), role: 'admin', signal: terminal.signal })
    say(terminal, `deleted ${id}.`)
    return exitCodes.done
  },
})

const kick = define({
  summary: 'close the connections of a device',
  operands: ['ID'],
  about: 'It is told why, and may connect again at once; disable shuts it out.',
  options: hubOptions,
  ends: '1 it is not done, ',
  async run(values, [id = ''], terminal) {
    const path = `${pathOf(id)}/connection`
    const { closed } = await askJson<{ closed: number }>(values, { method: 'DELETE', path, role: 'admin', signal: terminal.signal })
    say(
      terminal,
      closed === 0 ? `${id} had no connection.` : `closed ${closed === 1 ? 'the connection' : `${closed} connections`} of ${id}.`,
    )
    return exitCodes.done
  },
})

function presenceOf({ at, since, until, reason }: Presence): string {
  const words = [at, since === null ? 'never connected' : `since ${timeOf(since)}`]
  if (until !== undefined) words.push(`until ${timeOf(until)}`)
  return `${words.join(' ')}${reason === undefined ? '' : `: ${reason}`}`
}

function pathOf(id: string): string {
  return `/v1/devices/${encodeURIComponent(id)}`
}

function orNull(text: string): string | null {
  return text === '' ? null : text
}

/** Neither = nor : may be in the name of a tag. Errors: `UsageError`. */
export function tagIn(text: string): [name: string, value: string] {
  const [, name, value] = /^([^=:]+)[=:](.*)$/s.exec(text) ?? []
  if (name === undefined || value === undefined) throw new UsageError(`--tag takes NAME=VALUE, not ${text}`)
  return [name, value]
}

/** An object or null, as it stands or in a file. Errors: `UsageError`, `CommandError`. */
async function metadataIn(said: string): Promise<unknown> {
  const isJson = /^\s*(\{|null\s*$)/.test(said)
  const text = isJson ? said : await textOfFile(said)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${isJson ? '--metadata' : said} is not JSON: ${(error as Error).message}`)
  }
}

function metadataRow(metadata: DeviceInFull['metadata']): [string, Cell][] {
  return Object.keys(metadata).length === 0 ? [] : [['metadata', JSON.stringify(metadata)]]
}

function tagsOf(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(' ')
}

export const devicesGroup: Group = {
  summary: 'list, describe, shut out, create many, delete',
  commands: { list, show, set, enable: shutting(false), disable: shutting(true), kick, create: createDevices, delete: remove },
  standard: 'list',
}
