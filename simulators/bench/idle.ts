// Many connections that say nothing: what does holding one cost?
import { setTimeout as sleep } from 'node:timers/promises'
import { openAll, type Target } from './connection.ts'
import { pssBytes, readCpu, settled } from './proc.ts'

export interface IdleOptions extends Target {
  readonly mode: 'idle'
  readonly pid: number
  readonly connections: number
  readonly holdSeconds: number
}

export interface Held {
  readonly clean: boolean
  readonly trouble: string | null
  readonly connections: number
  /** PSS of the server: at rest before the first connection, and at the end of holding all of them. */
  readonly beforeBytes: number
  readonly afterBytes: number
  readonly bytesPerConnection: number
  /** Cores the server used for holding them. */
  readonly cores: number
}

export async function idle(options: IdleOptions): Promise<Held> {
  const { pid, connections: count, holdSeconds } = options
  await settled(pid)
  const beforeBytes = pssBytes(pid)
  const connections = await openAll(options, count, (index) => `bench-${index}`)
  let lost = 0
  for (const connection of connections) connection.onClosed = () => lost++
  await settled(pid)
  const before = readCpu(pid).seconds
  await sleep(holdSeconds * 1000)
  const cores = (readCpu(pid).seconds - before) / holdSeconds
  const afterBytes = pssBytes(pid)
  for (const connection of connections) connection.close()
  return {
    clean: lost === 0,
    trouble: lost === 0 ? null : `${lost} connections were closed`,
    connections: count,
    beforeBytes,
    afterBytes,
    bytesPerConnection: (afterBytes - beforeBytes) / count,
    cores,
  }
}
