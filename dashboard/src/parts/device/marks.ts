// What has happened to a device as marks on a time axis, each with a sentence.
import type { Command, DeviceEvent, TwinVersion } from '../../api/twin.ts'
import { valueText } from '../../format.ts'
import { twinWords } from '../../words/twin.ts'
import { words } from '../../words.ts'
import { leafText, leavesOf } from './leaves.ts'

export const lanes = ['presence', 'command', 'twin', 'event'] as const
export type Lane = (typeof lanes)[number]

export interface Mark {
  readonly key: string
  readonly atMs: number
  readonly lane: Lane
  readonly sentence: string
  /** Something went wrong or away: its mark has another shape. */
  readonly isBad: boolean
}

/** In order of time. */
export function marksOf(
  events: readonly DeviceEvent[],
  commands: readonly Command[],
  versions: readonly TwinVersion[],
  fromMs: number,
  toMs: number,
): Mark[] {
  return [...events.map(ofEvent), ...commands.map(ofCommand), ...versions.map(ofVersion)]
    .filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
    .sort((a, b) => a.atMs - b.atMs)
}

/** What a merge patch changes, its first leaf by name: `valve.open = true and 2 more`. */
export function changesText(patch: TwinVersion['patch'] | null): string {
  const { events } = twinWords
  const [first, ...more] = patch === null ? [] : leavesOf(patch)
  if (first === undefined) return events.removed('…')
  const path = first.path.join('.')
  return events.changes(first.value === null ? events.removed(path) : `${path} = ${leafText(first.value)}`, more.length)
}

export function reasonText(reason: string | undefined): string {
  return reason === undefined ? '' : (words.presence.reasons[reason] ?? reason)
}

function ofEvent(event: DeviceEvent): Mark {
  const { at: atMs, kind, name } = event
  const mark = { key: `${kind} ${name} ${atMs}`, atMs }
  const { events } = twinWords
  if (kind === 'presence') {
    const { wire = '', address = '', reason } = event.body
    const sentence = name === 'online' ? events.online(words.transports[wire] ?? wire, address) : events[name](reasonText(reason))
    return { ...mark, lane: 'presence', sentence, isBad: name !== 'online' }
  }
  if (kind === 'freshness') {
    const said = event.body
    const metrics = Array.isArray(said) ? said.join(', ') : typeof said === 'object' && said !== null ? Object.keys(said).join(', ') : ''
    return { ...mark, lane: 'event', sentence: name === 'stale' ? events.stale(metrics) : events.fresh(metrics), isBad: name === 'stale' }
  }
  const body = event.body === null ? '' : valueText(event.body as Parameters<typeof valueText>[0])
  return { ...mark, lane: 'event', sentence: events.own(name, body), isBad: false }
}

function ofCommand({ id, name, by, state, reason, createdAt }: Command): Mark {
  const { events, commands } = twinWords
  const now = `${commands.steps[state]}${reason === null ? '' : `, ${reason}`}`
  return {
    key: id,
    atMs: createdAt,
    lane: 'command',
    sentence: events.command(name, by, now),
    isBad: state === 'failed' || state === 'expired',
  }
}

function ofVersion({ version, at, part, by, patch }: TwinVersion): Mark {
  const { events, twin } = twinWords
  const changes = changesText(patch)
  const sentence = part === 'reported' ? events.reported(changes) : events.desired(by ?? twin.somebody, changes)
  return { key: `version ${version}`, atMs: at, lane: 'twin', sentence, isBad: false }
}
