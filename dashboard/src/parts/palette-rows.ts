// What the palette can find: pages, things to do here, devices.
import { signal } from '@preact/signals'
import type { ListedDevice } from '../api.ts'
import type { Entry } from '../fleet.ts'
import { type Match, matchOf } from '../fuzzy.ts'
import { choose, type Language, language, languages } from '../language.ts'
import { leave, may, viewer } from '../me.ts'
import { devicePath, go, route } from '../router.ts'
import { fleet } from '../state.ts'
import { paletteWords } from '../words/palette.ts'
import { words } from '../words.ts'
import { theme, themes } from './theme.ts'

type Shown = Pick<Entry, 'presence' | 'lastSeenAt'>

export interface Row {
  /** The address, or the name of what is done: no two are alike. */
  readonly id: string
  readonly kind: keyof typeof paletteWords.kinds
  readonly text: string
  /** Of a device that has a name besides its id. */
  readonly more?: string
  readonly keys?: string
  readonly device?: Shown
  readonly act: () => void
}

export interface Found {
  readonly row: Row
  readonly text: Match | null
  readonly more: Match | null
}

/** More rows than this nobody reads: he types another letter. */
export const rowsMax = 50

/** The best first; with nothing typed all pages and things to do, then devices. */
export function find(typed: string, asked: readonly ListedDevice[]): Found[] {
  const held = fleet.list.value
  const more = asked.filter(({ id }) => fleet.find(id) === undefined)
  if (typed.trim() === '') return [...pages(), ...acts(), ...held.slice(0, rowsMax).map(heldRow)].slice(0, rowsMax).map(plain)
  const best: { readonly found: Found; readonly score: number }[] = []
  const take = (row: Row) => {
    const text = matchOf(row.text, typed)
    const other = row.more === undefined ? null : matchOf(row.more, typed)
    if (text === null && other === null) return
    best.push({ found: { row, text, more: other }, score: Math.max(text?.score ?? -1, other?.score ?? -1) })
  }
  for (const row of [...pages(), ...acts()]) take(row)
  for (const entry of held) {
    // Twenty thousand of them at each letter: only what matches becomes a row.
    if (matchOf(entry.id, typed) !== null || matchOf(entry.name.peek(), typed) !== null) take(heldRow(entry))
  }
  for (const device of more)
    take(rowOf(device.id, device.name, { presence: signal(device.presence), lastSeenAt: signal(device.lastSeenAt) }))
  best.sort((a, b) => b.score - a.score)
  return best.slice(0, rowsMax).map(({ found }) => found)
}

function plain(row: Row): Found {
  return { row, text: null, more: null }
}

function heldRow(entry: Entry): Row {
  return rowOf(entry.id, entry.name.peek(), entry)
}

function rowOf(id: string, name: string, device: Shown): Row {
  const path = devicePath(id)
  return { id: path, kind: 'device', text: name, ...(name === id ? {} : { more: id }), device, act: () => go(path) }
}

function pages(): Row[] {
  const { nav } = words
  const page = (allowed: boolean, path: string, text: string, keys: string): Row[] =>
    allowed ? [{ id: path, kind: 'page', text, keys, act: () => go(path) }] : []
  return [
    ...page(may('devices'), '/', nav.overview, 'g o'),
    ...page(may('devices'), '/devices', nav.devices, 'g d'),
    ...page(may('devices'), '/messages', nav.messages, 'g m'),
    ...page(may('devices'), '/commands', nav.commands, 'g c'),
    ...page(may('devices'), '/explore', nav.explore, 'g e'),
    ...page(may('hub'), '/hub', nav.hub, 'g h'),
    ...page(may('admin'), '/settings', nav.settings, 'g s'),
    ...page(true, '/account', words.account.title, 'g a'),
  ]
}

function acts(): Row[] {
  const says = paletteWords.acts
  const { page } = route.value
  const { value } = viewer
  const rows: Row[] = []
  const add = (id: string, text: string, act: () => void, keys?: string) =>
    rows.push({ id, kind: 'act', text, act, ...(keys === undefined ? {} : { keys }) })
  if (page === 'messages') add('pause', says.pause, () => press(' '), 'Space')
  if (page === 'device' && may('command')) add('command', says.command, () => press('c'), 'c')
  if (page === 'device') add('range', says.range, () => press('t'), 't')
  if (page === 'device') add('out', says.out, () => press('-'), '-')
  if (may('devices')) add('filter', says.filter, () => press('/'), '/')
  for (const one of themes) {
    if (one !== theme.value)
      add(one, says[one], () => {
        theme.value = one
      })
  }
  for (const [one, name] of Object.entries(languages)) {
    if (one !== language) add(one, paletteWords.language(name), () => choose(one as Language))
  }
  add('keys', says.keys, () => press('?'), '?')
  if (value.is === 'in' && value.me?.is === 'user') add('leave', says.leave, () => void leave())
  return rows
}

/** What has a key is done by it: the page that listens knows how. */
function press(key: string): void {
  document.querySelector('main')?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
}
