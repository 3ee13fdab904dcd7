// What devices answer, on whichever wire: it changes a command right behind the reply, in its batch.
import { commandNumberOf, type Reply, readReply } from '../../../devices/commands.ts'
import type { DeviceId } from '../../../devices/device.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { Meant } from '../router.ts'
import type { Command } from './command.ts'

export interface Answered {
  find(number: number): Command | undefined
  onReply(command: Command, reply: Reply): void
  /** The command is over, or never was. */
  onLate(device: DeviceId, number: number, status: Reply['status']): void
}

const tooLong: Reply = { status: 'failed', result: undefined, reason: `the reply has more than ${limits.commandResultBytes} bytes` }

/** A reply to what is no command of the hub is a message like others. */
export function replies(answered: Answered): Meant {
  return {
    taken: ({ meaning }, bytes, start, end) => {
      const number = meaning.is === 'reply' ? commandNumberOf(meaning.commandId) : undefined
      if (meaning.is !== 'reply' || number === undefined) return undefined
      const { deviceId, commandId } = meaning
      const command = answered.find(number)
      if (command !== undefined && command.device !== deviceId) return undefined
      const isLong = end - start > limits.commandResultBytes
      const reply = isLong ? tooLong : readReply(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString())
      if (typeof reply === 'string') {
        if (command === undefined) return undefined
        throw new Refusal('reply-invalid', { id: commandId, detail: reply })
      }
      return () => {
        if (command === undefined) answered.onLate(deviceId, number, reply.status)
        else answered.onReply(command, reply)
      }
    },
  }
}
