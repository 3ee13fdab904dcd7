// A command: something that is asked of a device, and what becomes of it.
import { type Condition, readCondition } from './condition.ts'
import { isObject, isText } from './device.ts'

/**
 * `queued`: kept, and no device has been told. `sent`: on its way, perhaps more than once. `received`: the device has acknowledged it. `done`: so
 * it says; where something else is to come about by it, that is waited for. `effective`: that has come about. The rest is over without.
 */
export const commandStates = ['queued', 'sent', 'received', 'done', 'effective', 'failed', 'expired', 'cancelled'] as const
export type CommandState = (typeof commandStates)[number]

const next: Readonly<Record<CommandState, readonly CommandState[]>> = {
  queued: ['sent', 'expired', 'cancelled', 'failed'],
  sent: ['sent', 'received', 'done', 'failed', 'expired', 'cancelled'],
  received: ['done', 'failed', 'expired', 'cancelled'],
  done: ['effective', 'failed', 'cancelled'],
  effective: [],
  failed: [],
  expired: [],
  cancelled: [],
}

/** Whether it may go from there to here. `sent` follows itself: once for each attempt. */
export function mayBecome(from: CommandState, to: CommandState): boolean {
  return next[from].includes(to)
}

/** Nothing more comes of it. `hasEffect`: more is asked than that the device says it is done. */
export function isOver(state: CommandState, hasEffect: boolean): boolean {
  return state === 'done' ? !hasEffect : next[state].length === 0
}

/** One step of its life: [state, Unix ms, why]. */
export type Step = readonly [state: CommandState, atMs: number, reason?: string]

/** What somebody asks for. */
export interface CommandWanted {
  readonly name: string
  /** Any JSON. */
  readonly params: unknown
  /** Of those with the same key that are not sent yet the newest counts alone. */
  readonly key: string | undefined
  /** It is given up then, counted from now. */
  readonly expiresInSeconds: number
  /** How often it is handed to a wire, at most. */
  readonly attempts: number
  readonly until: Condition | undefined
}

/** Bounds of one command; the hub's own table of limits has this shape. */
export interface CommandLimits {
  readonly commandNameBytes: number
  readonly commandKeyBytes: number
  readonly commandBytes: number
  readonly commandSeconds: number
  readonly commandSecondsMax: number
  readonly commandAttempts: number
  readonly commandAttemptsMax: number
  readonly metricNameBytes: number
}

const encoder = new TextEncoder()

/** The command, or the clause that says why it is refused. */
export function readCommand(value: unknown, limits: CommandLimits): CommandWanted | string {
  if (!isObject(value)) return 'a command is a JSON object'
  const { name, params = {}, key, expiresInSeconds = limits.commandSeconds, attempts = limits.commandAttempts, until, ...others } = value
  const [foreign] = Object.keys(others)
  if (foreign !== undefined) return `a command has no member ${JSON.stringify(foreign.slice(0, 64))}`
  if (!isText(name, limits.commandNameBytes) || name === '') return `its name is text of 1 to ${limits.commandNameBytes} bytes`
  if (key !== undefined && (!isText(key, limits.commandKeyBytes) || key === ''))
    return `its key is text of 1 to ${limits.commandKeyBytes} bytes`
  if (!isCount(expiresInSeconds, limits.commandSecondsMax))
    return `expiresInSeconds is 1 to ${limits.commandSecondsMax} (limits.commandSecondsMax)`
  if (!isCount(attempts, limits.commandAttemptsMax)) return `attempts is 1 to ${limits.commandAttemptsMax} (limits.commandAttemptsMax)`
  const bytes = encoder.encode(JSON.stringify(params)).length
  if (bytes > limits.commandBytes)
    return `its params have ${bytes} bytes as JSON, and may have ${limits.commandBytes} (limits.commandBytes)`
  const condition = until === undefined ? undefined : readCondition(until, limits)
  if (typeof condition === 'string') return condition
  return { name, params, key, expiresInSeconds, attempts, until: condition }
}

function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most
}

/** What a device says of a command. `progress`: it is on its way; the newest is shown. */
export const replyStatuses = ['done', 'failed', 'received', 'progress'] as const

export interface Reply {
  readonly status: (typeof replyStatuses)[number]
  /** Any JSON; undefined for none. */
  readonly result: unknown
  readonly reason: string | undefined
}

/** What it says, or the clause that says why it says nothing. */
export function readReply(payload: string): Reply | string {
  const form = 'a reply is {"status":"done"|"failed"|"received"|"progress"}, with "result" (any JSON) and "reason" (text) if there is one'
  let value: unknown
  try {
    value = JSON.parse(payload)
  } catch {
    return form
  }
  if (!isObject(value)) return form
  const { status, result, reason } = value
  const known = replyStatuses.find((one) => one === status)
  return known === undefined ? form : { status: known, result, reason: typeof reason === 'string' ? reason.slice(0, 256) : undefined }
}

/** Ids are numbers that grow, the microseconds at which they were given, in 36 digits; so they are in order, and a restored copy gives others. */
export function commandIdOf(number: number): string {
  return number.toString(36)
}

/** Undefined for what is no id of a command. */
export function commandNumberOf(id: string): number | undefined {
  if (!/^[0-9a-z]{10,11}$/.test(id)) return undefined
  const number = Number.parseInt(id, 36)
  return Number.isSafeInteger(number) && commandIdOf(number) === id ? number : undefined
}
