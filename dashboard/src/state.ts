// What every page reads: the fleet, the hub's figures, how the live view stands, what time it is at the hub.
import { batch, computed, signal } from '@preact/signals'
import type { Durability, Figures } from './api.ts'
import { Fleet } from './fleet.ts'
import { type Changes, type CommandNews, type Frame, Live, type LiveState } from './live.ts'

export const fleet = new Fleet()
export const liveState = signal<LiveState>({ is: 'connecting' })
export const figures = signal<Figures | null>(null)
export const durability = signal<Durability | null>(null)

/** Unix ms by the hub's clock, once a second. It stands still while the live view is lost: so does all it dates. */
export const now = signal(Date.now())

/**
 * Counts up whenever what is shown has to be read again: after a welcome, a resync, a tab shown again. 0 means "not yet":
 * the first reading waits a moment for the socket, so that nothing is read twice.
 */
export const epoch = signal(0)

export const stale = computed(() => liveState.value.is === 'lost')

/** Requests under way that the page waits for; the line at the top moves while there are any. */
export const waiting = signal(0)

type ChangesListener = (changes: Changes, frameAtMs: number) => void
type CommandsListener = (news: readonly CommandNews[]) => void

const waitForSocketMs = 300
const changesListeners = new Set<ChangesListener>()
const commandsListeners = new Set<CommandsListener>()
let hubVersion: string | null = null
let clockAheadMs = 0
let arrived: Frame[] = []
let frameRequest = 0

const live = new Live({
  onState: (state) => {
    liveState.value = state
  },
  onWelcome: (welcome) => {
    // A hub of another version serves another page; this one may no longer understand it.
    if (hubVersion !== null && hubVersion !== welcome.hub.version) location.reload()
    hubVersion = welcome.hub.version
    durability.value = welcome.hub.durability
    setClock(welcome.now)
    epoch.value += 1
  },
  onFrame: (frame) => {
    if (document.hidden) return // read again when shown
    arrived.push(frame)
    if (frameRequest === 0) frameRequest = requestAnimationFrame(show)
  },
  onResync: () => {
    epoch.value += 1
  },
})

export function startLive(): void {
  live.start()
  setTimeout(() => {
    if (epoch.value === 0) epoch.value = 1
  }, waitForSocketMs)
  setInterval(() => {
    if (!stale.peek() && !document.hidden) now.value = hubNow()
  }, 1_000)
}

export function stopLive(): void {
  live.stop()
}

export function watch(deviceIds: readonly string[]): void {
  live.watch(deviceIds)
}

/** Calls `listener` once per frame with the changes of watched devices; returns what ends it. */
export function onChanges(listener: ChangesListener): () => void {
  changesListeners.add(listener)
  return () => changesListeners.delete(listener)
}

/** Calls `listener` once per frame with the newest steps of commands of watched devices, or of all. */
export function onCommands(listener: CommandsListener): () => void {
  commandsListeners.add(listener)
  return () => commandsListeners.delete(listener)
}

/** Whether commands of every device are told, watched or not. */
export function hearCommands(every: boolean): void {
  live.hearCommands(every)
}

export function hubNow(): number {
  return Date.now() + clockAheadMs
}

/** Keeps the line at the top moving until the promise settles. */
export async function waitFor<Result>(promise: Promise<Result>): Promise<Result> {
  waiting.value += 1
  try {
    return await promise
  } finally {
    waiting.value -= 1
  }
}

/** However many messages came: one batch, at most once per frame of the screen. */
function show(): void {
  const frames = arrived
  arrived = []
  frameRequest = 0
  batch(() => {
    for (const frame of frames) {
      fleet.onFrame(frame)
      if (frame.figures !== undefined) {
        figures.value = frame.figures
        setClock(frame.at)
      }
    }
  })
  for (const { changes, commands, at } of frames) {
    if (commands !== undefined) for (const listener of commandsListeners) listener(commands)
    if (changes !== undefined) for (const listener of changesListeners) listener(changes, at)
  }
}

function setClock(hubMs: number): void {
  clockAheadMs = hubMs - Date.now()
  now.value = hubMs
}
