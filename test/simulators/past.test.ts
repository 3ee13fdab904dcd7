// The past of a fleet: what was generated is what the hub has, the same every time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Member, membersOf } from '../../simulators/fleet.ts'
import { Past, type PastOptions } from '../../simulators/past.ts'
import { startHub, type TestHub } from '../kit/hub.ts'

const endMs = Date.UTC(2026, 10, 20, 12)
const hour = 3_600

interface Answer {
  readonly series: readonly {
    readonly metric: string
    readonly times: readonly number[]
    readonly values: readonly unknown[]
    readonly count: number
  }[]
}

function pastOf(hub: TestHub, members: readonly Member[], options: Partial<PastOptions> = {}): Past {
  return new Past({ members, http: new URL(hub.url), seconds: 2 * hour, everySeconds: 10, endMs, ...options })
}

function stored(hub: TestHub, id: string): Promise<Answer> {
  return hub.get(`/v1/devices/${id}/telemetry?from=${endMs - 2 * hour * 1000}&to=${endMs}&points=10000`) as Promise<Answer>
}

test('every reading of the past is stored at its own time, and the same seed gives the same past', async (t) => {
  const [one, other] = [await startHub(t), await startHub(t)]
  const members = membersOf([
    { profile: 'thermostat', count: 2 },
    { profile: 'pump', count: 1 },
  ])
  const past = pastOf(one, members)
  await past.send(new AbortController().signal)
  assert.equal(past.total, 3 * 720)
  assert.deepEqual([past.stored, past.refused], [3 * 720, 0])
  assert.equal(past.points, 720 * (3 + 3 + 6))

  const { series } = await stored(one, 'pump-1')
  assert.deepEqual(
    series.map(({ metric, count, times }) => [metric, count, times.length]),
    ['flow', 'power', 'pressure', 'rpm', 'running', 'vibration'].map((metric) => [metric, 720, 720]),
  )
  const times = Array.from({ length: 720 }, (_, i) => endMs - (719 - i) * 10_000)
  for (const one of series) assert.deepEqual(one.times, times)

  await pastOf(other, members).send(new AbortController().signal)
  for (const { id } of members) assert.deepEqual(await stored(other, id), await stored(one, id))
  await pastOf(other, members, { seed: 2 }).send(new AbortController().signal)
  assert.notDeepEqual(await stored(other, 'pump-1'), await stored(one, 'pump-1'))
})

test('a run over a past that is there changes nothing', async (t) => {
  const hub = await startHub(t)
  const members = membersOf([{ profile: 'thermostat', count: 1 }])
  await pastOf(hub, members).send(new AbortController().signal)
  const first = await stored(hub, 'thermostat-1')
  await pastOf(hub, members).send(new AbortController().signal)
  assert.deepEqual(await stored(hub, 'thermostat-1'), first)
})

test('what the hub refuses is counted, and its reason is told', async (t) => {
  const hub = await startHub(t)
  const past = pastOf(hub, [{ profile: 'pump', id: 'not+a+device' }])
  await past.send(new AbortController().signal)
  assert.deepEqual([past.stored, past.points, past.refused], [0, 0, past.total])
  assert.match(past.report(1), /refused +720[\s\S]*not\+a\+device/)
})

test('without a hub it gives up with a reason', async (t) => {
  const hub = await startHub(t)
  const past = pastOf(hub, membersOf([{ profile: 'pump', count: 3 }]), { tries: 2 })
  await hub.stop()
  await assert.rejects(past.send(new AbortController().signal), /ECONNREFUSED/)
})
