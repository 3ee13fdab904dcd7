// Commands as the database keeps them, and the records that change them. A record joins the batch of what was appended last (`Journal.appendRecord`,
// `recordKinds.command`), so that a command is on disk with the message that tells of it, or neither is.
import type { CommandState, Step } from '../../devices/commands.ts'
import type { Condition } from '../../devices/condition.ts'
import type { DeviceId } from '../../devices/device.ts'
import type { Selection } from './telemetry.ts'

/** As it is on disk. Times are Unix ms. */
export interface StoredCommand {
  /** See `commandIdOf`. */
  readonly number: number
  readonly device: DeviceId
  readonly name: string
  /** JSON */
  readonly params: string
  readonly key: string | undefined
  /** The number of the bulk it is of. */
  readonly bulk: number | undefined
  readonly state: CommandState
  readonly deadlineMs: number
  readonly attempts: number
  readonly attemptsMax: number
  /** The number of the session that is owed what was sent, as far as one outlives its connection; 0 for none. */
  readonly heldBy: number
  /** The place in the journal of the message that was sent last; 0 for none. */
  readonly seq: number
  readonly until: Condition | undefined
  /** Who asked for it. */
  readonly by: string
  /** JSON; undefined as long as there is none. */
  readonly result: string | undefined
  readonly trail: readonly Step[]
  /** A reply that came when it was over already. */
  readonly late: { readonly status: string; readonly at: number } | undefined
}

/** What was asked of many devices at once. */
export interface StoredBulk {
  readonly number: number
  readonly name: string
  readonly params: string
  readonly until: Condition | undefined
  readonly by: string
  /** Targets that may be under way at a time. */
  readonly concurrency: number
  readonly targets: number
  /** All its targets are on record. One that died before that is not begun. */
  readonly isWhole: boolean
  /** How many of its targets are in each state. */
  readonly counts: { readonly [state in CommandState]?: number }
}

/** What `Journal.appendRecord` is given as its body, as JSON; the key is not used. */
export type CommandRecord =
  | {
      readonly is: 'made'
      readonly command: Omit<StoredCommand, 'device' | 'result' | 'late' | 'trail' | 'params' | 'until' | 'by'> & {
        /** These three are left out where its bulk has them. */
        readonly params?: string
        readonly until?: Condition | undefined
        readonly by?: string
        readonly trail: readonly Step[]
      }
      /** Numbers of commands that give way to it. */
      readonly supersedes?: readonly number[]
    }
  | {
      readonly is: 'step'
      readonly number: number
      readonly step: Step
      readonly isOver: boolean
      readonly attempts?: number
      readonly heldBy?: number
      readonly seq?: number
      readonly deadlineMs?: number
      readonly result?: string | undefined
    }
  | { readonly is: 'progress'; readonly number: number; readonly result: string }
  | { readonly is: 'late'; readonly number: number; readonly status: string; readonly at: number }
  | { readonly is: 'bulk'; readonly bulk: Omit<StoredBulk, 'counts' | 'isWhole'> }
  | { readonly is: 'whole'; readonly number: number }

export interface CommandQuery extends Pick<Selection, 'type' | 'tags' | 'where'> {
  readonly devices?: readonly DeviceId[]
  readonly states?: readonly CommandState[]
  readonly bulk?: number
  readonly names?: readonly string[]
  /** Older than this one. */
  readonly before?: number
  readonly limit: number
}

/** How many are in each state: of those that are not over, and of those that were over since then. */
export interface CommandCounts {
  readonly open: { readonly [state in CommandState]?: number }
  readonly over: { readonly [state in CommandState]?: number }
}

export interface CommandStore {
  /** Those that are not over, the oldest first, behind this number; a page of them. */
  open(afterNumber: number): Promise<readonly StoredCommand[]>
  /** The largest number on record; 0 for none. */
  newest(): Promise<number>
  find(number: number): Promise<StoredCommand | undefined>
  counts(sinceMs: number): Promise<CommandCounts>
  /** The newest first. */
  page(query: CommandQuery): Promise<readonly StoredCommand[]>
  bulk(number: number): Promise<StoredBulk | undefined>
  /** The newest first. */
  bulks(): Promise<readonly StoredBulk[]>
}
