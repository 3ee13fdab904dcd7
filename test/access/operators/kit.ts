// People of a test: their books over storage in memory, a clock turned by hand, hashes that cost little.
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import type { TestContext } from 'node:test'
import { Failures } from '../../../hub/access/failures.ts'
import { Operators, type OperatorsParts } from '../../../hub/access/operators/operators.ts'
import { Passwords } from '../../../hub/access/passwords.ts'
import { Refusal } from '../../../hub/errors.ts'
import { MemoryAccessStore, newTime } from '../kit.ts'

export const key = createSecretKey(Buffer.alloc(32, 1))
export const password = 'nine green bottles'
export const here = '10.0.0.1'

export function refused(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code
}

export function open(t: TestContext, changes: Partial<OperatorsParts> & { store?: MemoryAccessStore } = {}) {
  const store = changes.store ?? new MemoryAccessStore()
  const time = newTime(t)
  /** What was told: who is connected by what is asked anew, or closed. */
  const told: string[] = []
  const connected = new Set<string>()
  const operators = new Operators({
    ...{ store, key, ...time, failures: new Failures(time.clock), needsAdmin: true },
    passwords: new Passwords({ memoryKiB: 64, passes: 1, lanes: 1 }),
    hasRole: (name) => ['viewer', 'operator', 'admin'].includes(name),
    isConnected: (credential) => connected.has(credential),
    onLoginEnded: ({ user }, why) => told.push(`${user}: ${why}`),
    onRole: ({ name, role }) => told.push(`${name} is ${role}`),
    onShutOut: (name, why) => told.push(`${name} is out: ${why}`),
    onRefused: ({ who, from, code }) => told.push(`${who} ${from} ${code}`),
    onFailure: (error) => assert.fail(String(error)),
    ...changes,
  })
  return { operators, users: operators.users, logins: operators.logins, store, told, connected, ...time }
}

/** Lets writes in the background reach the storage. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
}
