// What happened to one device and what was asked of it: read together, shown in the bar of its connection, below its charts and in its commands.
import { type Signal, signal } from '@preact/signals'
import { type Command, type DeviceEvent, loadCommands, loadEvents, loadVersions, mainTwin, type TwinVersion } from '../../api/twin.ts'
import { hubNow } from '../../state.ts'
import type { PresenceEvent } from './stretches.ts'

export const dayMs = 86_400_000
/** What a page holds of each kind: more marks than these could not be told apart. */
const presencesMax = 500
const eventsMax = 300
const versionsMax = 100
export const commandsMax = 50

export class Activity {
  /** Of the last day or of the range shown, and the last one before: it says how the stretch begins. The newest first, as all of these. */
  readonly presences: Signal<readonly PresenceEvent[]> = signal([])
  /** null before the first answer. */
  readonly events = signal<readonly DeviceEvent[] | null>(null)
  readonly versions: Signal<readonly TwinVersion[]> = signal([])
  readonly commands = signal<readonly Command[] | null>(null)
  readonly #deviceId: string

  constructor(deviceId: string) {
    this.#deviceId = deviceId
  }

  /** Of the range that the page shows; `toMs` undefined: to now. */
  async readEvents({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number | undefined }, abort: AbortSignal): Promise<void> {
    const earliestMs = Math.min(fromMs, hubNow() - dayMs)
    const [during, before, events, versions] = await Promise.all([
      loadEvents(this.#deviceId, { kind: 'presence', fromMs: earliestMs, limit: presencesMax }, abort),
      loadEvents(this.#deviceId, { kind: 'presence', toMs: earliestMs - 1, limit: 1 }, abort),
      loadEvents(this.#deviceId, { fromMs, ...(toMs === undefined ? {} : { toMs }), limit: eventsMax }, abort),
      loadVersions(this.#deviceId, mainTwin, versionsMax, abort),
    ])
    const isFull = during.length === presencesMax // older ones are there, and are not read
    this.presences.value = [...during, ...(isFull ? [] : before)].filter((event) => event.kind === 'presence')
    this.events.value = events
    this.versions.value = versions
  }

  async readCommands(abort: AbortSignal): Promise<void> {
    this.commands.value = await loadCommands(this.#deviceId, commandsMax, abort)
  }
}
