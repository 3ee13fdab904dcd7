// What every database behind the Telemetry interface has to do. Run it over each implementation.
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Store } from '../../hub/store/store.ts'
import type { OpenStore } from './contract.ts'
import { newFolder, stored } from './kit.ts'
import { askingContract } from './telemetry/asking.ts'
import { send } from './telemetry/model.ts'
import { life, live, type World } from './telemetry/random.ts'

/** What this database does by itself in time, done now, in a folder whose store is closed. */
export interface InTime {
  rollAll(folder: string): void
  /** Makes of the first folder another, as a kill at this moment leaves it. */
  copyAsKilled(folder: string, to: string): void
}

const runs = Number(process.env['MOORING_TELEMETRY_RUNS'] ?? 12)
const seed = process.env['MOORING_TELEMETRY_SEED']

async function worldOf(t: TestContext, open: OpenStore, inTime: InTime): Promise<World & { close(): Promise<void> }> {
  let folder = newFolder(t)
  let store: Store = await open(t, folder, 'batched')
  for (const device of [1, 2, 3]) store.journal.appendDevice(`pump-${device}`, device)
  const world = {
    get store() {
      return store
    },
    async send(points: Parameters<World['send']>[0]) {
      send(store, points)
      await stored(store)
    },
    seal: async () => void (await store.status({ seal: true })),
    async reopen() {
      await store.close()
      store = await open(t, folder, 'batched')
    },
    async roll() {
      await store.close()
      inTime.rollAll(folder)
      store = await open(t, folder, 'batched')
    },
    async kill() {
      await stored(store)
      const to = newFolder(t)
      inTime.copyAsKilled(folder, to)
      await store.close()
      folder = to
      store = await open(t, folder, 'batched')
    },
    close: () => store.close(),
  }
  return world
}

export function telemetryContract(name: string, open: OpenStore, inTime: InTime): void {
  askingContract(name, open)

  test(`${name}: whatever came in whatever order, sealed, rolled up, reopened or killed: every answer is the model's`, async (t) => {
    await fc.assert(
      fc.asyncProperty(life, async (steps) => {
        const world = await worldOf(t, open, inTime)
        try {
          await live(world, steps)
        } finally {
          await world.close()
        }
      }),
      {
        numRuns: runs,
        ...(seed === undefined ? {} : { seed: Number(seed) }),
        endOnFailure: process.env['MOORING_TELEMETRY_SHRINK'] === undefined,
      },
    )
  })
}
