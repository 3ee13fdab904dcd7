// A command as a call: what the device answers, or why it does not.
import type { DeviceId } from '../../../devices/device.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { Commands } from './commands.ts'

export interface AskOptions {
  /** Aborted by who does not want to know any more: the command is cancelled. */
  readonly signal?: AbortSignal | undefined
  readonly withinSeconds: number
  /** Who asks. */
  readonly by: string
}

/**
 * Resolves with the result of its reply; undefined for none. Errors: `command-ended` for whatever else came of it, those of `Commands.make`, the
 * reason of `signal`.
 */
export async function ask(
  commands: Commands,
  device: DeviceId,
  name: string,
  params: unknown,
  { signal, withinSeconds, by }: AskOptions,
): Promise<unknown> {
  signal?.throwIfAborted()
  const wanted = { name, params, key: undefined, expiresInSeconds: withinSeconds, attempts: limits.commandAttempts, until: undefined }
  const command = await commands.make(device, wanted, by)
  const giveUp = () => void commands.cancel(command.id, by).catch(() => {}) // it is over by itself meanwhile
  signal?.addEventListener('abort', giveUp)
  if (signal?.aborted === true) giveUp()
  await commands.ended(command)
  signal?.removeEventListener('abort', giveUp)
  signal?.throwIfAborted()
  const [state, , reason] = command.step
  if (state !== 'done') throw new Refusal('command-ended', { id: command.id, state, why: reason === undefined ? '' : `: ${reason}` })
  return command.result === undefined ? undefined : (JSON.parse(command.result) as unknown)
}
