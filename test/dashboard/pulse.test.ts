import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetEvent } from '../../dashboard/src/api/overview.ts'
import { Columns } from '../../dashboard/src/columns.ts'
import { outline, pulse, rememberConnected } from '../../dashboard/src/pulse.ts'

const event = (at: number, name: string, body: object): FleetEvent => ({ device: 'pump', at, kind: 'presence', name, body })

test('how many were connected is counted back by what came and went', () => {
  const events = [
    event(90, 'offline', { reason: 'session-expired', lastOnlineAt: 80 }), // it was away: nobody is lost by it
    event(80, 'away', { reason: 'connection-lost', lastOnlineAt: 80 }),
    event(70, 'online', { reason: 'taken-over' }), // another connection of the same device
    event(60, 'online', {}),
  ]
  rememberConnected(events, 4, 10)
  const { times, values } = pulse.connected
  assert.deepEqual([...times], [10, 59, 60, 79, 80])
  assert.deepEqual([...values], [4, 4, 5, 5, 4])
})

test('a picture keeps the peak of each column, and leaves open where nothing was heard', () => {
  const columns = new Columns()
  for (const [at, n] of [
    [5, 9],
    [52, 1],
    [58, 7],
    [100, 3],
  ] as const)
    columns.insert(at, n)
  assert.deepEqual(outline(columns, 100, 50, 5), [7, null, null, null, 3])
})
