// A will exactly once or not at all: every way a connection ends × will delay × session expiry × what the client does next, and once more
// after a crash of the hub.  MQTT 5: [MQTT-3.1.2-8], [MQTT-3.1.2-10], [MQTT-3.1.3-9], [MQTT-3.14.4-3], sections 3.1.2.5 and 3.1.4
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client, Habits } from './client.ts'
import { World } from './world.ts'

const endings = ['goodbye', 'goodbye that wants the will', 'lost', 'lost, then a crash', 'goodbye, then a crash', 'crash'] as const
const takeOvers = ['taken over', 'taken over, clean'] as const
const sequels = ['stays away', 'back in 2 s', 'back in 2 s, clean', 'back in 25 s', 'back in 2 s, then a crash'] as const
const delays = [0, 5, 40]
const expiries = [0, 15, 3600]

type Ending = (typeof endings)[number] | (typeof takeOvers)[number]
type Sequel = (typeof sequels)[number]

interface Cell {
  readonly ending: Ending
  readonly sequel: Sequel
  readonly delaySeconds: number
  readonly expirySeconds: number
}

const cells: Cell[] = delays.flatMap((delaySeconds) =>
  expiries.flatMap((expirySeconds) => [
    ...endings.flatMap((ending) => sequels.map((sequel) => ({ ending, sequel, delaySeconds, expirySeconds }))),
    ...takeOvers.map((ending) => ({ ending, sequel: 'stays away' as const, delaySeconds, expirySeconds })),
  ]),
)

/** How often the will is heard, by the specification alone. */
function expected({ ending, sequel, delaySeconds, expirySeconds }: Cell): number {
  if (ending.startsWith('goodbye') && ending !== 'goodbye that wants the will') return 0
  const dueSeconds = Math.min(delaySeconds, expirySeconds) // the end of the delay or of the session, whichever comes first
  if (ending === 'taken over, clean' || sequel === 'back in 2 s, clean') return 1 // the session has ended
  if (ending === 'taken over') return dueSeconds > 0 ? 0 : 1
  if (sequel === 'stays away') return 1
  return dueSeconds > (sequel === 'back in 25 s' ? 25 : 2) ? 0 : 1
}

async function heard({ ending, sequel, delaySeconds, expirySeconds }: Cell): Promise<number> {
  const world = new World(1)
  try {
    const { watcher } = world
    const watching: Habits = { expirySeconds: 7 * 24 * 3600, willDelaySeconds: undefined }
    const rest = () => world.settle((client) => (client === watcher ? watching : undefined))
    const crash = async () => {
      world.disk.signOfLife()
      world.crash(0)
      await rest()
    }
    const join = async (client: Client, clean: boolean, willDelaySeconds: number | undefined) => {
      const line = world.connect(client, clean, { expirySeconds, willDelaySeconds })
      world.hubReads(line)
      await rest()
    }
    await rest()
    watcher.subscribe('will/#', 2, 50)
    await rest()
    const device = world.addClient('device')
    await join(device, false, delaySeconds)
    const will = [...world.ledger.wills.values()][0]
    assert.ok(will !== undefined && device.line !== undefined)

    if (ending === 'taken over' || ending === 'taken over, clean') await join(device, ending === 'taken over, clean', undefined)
    else if (ending.startsWith('goodbye')) device.goodbye(ending === 'goodbye that wants the will' ? 0x04 : 0, false)
    else if (ending.startsWith('lost')) world.cut(device.line)
    await rest()
    if (ending.endsWith('crash')) await crash()

    if (sequel === 'back in 25 s') world.second(25)
    if (sequel.startsWith('back')) await join(device, sequel === 'back in 2 s, clean', undefined)
    if (sequel.endsWith('crash')) await crash()
    world.second(90)
    await rest()
    const { count } = will
    await crash()
    assert.equal(will.count, count, 'it is heard again after one more crash')
    return count
  } finally {
    world.end()
  }
}

test(`a will is heard once or not at all, as MQTT 5 wants it, in each of ${cells.length} cells`, async () => {
  const found: string[] = []
  for (const cell of cells) {
    const [count, owed] = [await heard(cell), expected(cell)]
    if (count !== owed) found.push(`${JSON.stringify(cell)}: heard ${count} times, and ${owed} is owed`)
  }
  assert.deepEqual(found, [])
})
