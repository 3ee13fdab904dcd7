// From a place in the journal to now, over a real database.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Message } from '../../devices/message.ts'
import { systemClock } from '../../hub/clock.ts'
import { CatchUp } from '../../hub/session/catch-up.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import type { Durability } from '../../hub/store/store.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder } from '../kit/hub.ts'

const topic = Buffer.from('n')
const large = Buffer.alloc(20_000, 'x')

async function openStore(t: TestContext, durability: Durability) {
  const store = await openSqliteStore({ folder: newFolder(t), durability, clock: systemClock })
  atEnd(t, () => store.close())
  return store
}

for (const durability of ['fsync', 'memory'] as const) {
  test(`nothing is left out that is still on its way to the disk (${durability})`, async (t) => {
    const store = await openStore(t, durability)
    for (let round = 0; round < 20; round++) {
      const before = store.journal.newestSeq
      for (let n = 0; n < 100; n++) store.journal.append(topic, 0, 1, undefined, large, 0, large.length)
      const seqs: number[] = []
      await new Promise<void>((resolve, reject) => {
        const target = {
          filters: ['n'],
          writable: true,
          take: ({ seq }: Message) => seqs.push(seq),
          missed: () => reject(new Error('a gap')),
          caughtUp: resolve,
          failed: reject,
        }
        new CatchUp(store, target, before).go()
      })
      assert.deepEqual(
        seqs,
        Array.from({ length: 100 }, (_, n) => before + 1 + n),
      )
    }
  })
}
