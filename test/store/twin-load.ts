// A process of its own that changes twins of a folder, in calls and in messages, and says what it was told, until it is killed.
import { writeSync } from 'node:fs'
import { systemClock } from '../../hub/clock.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { stored } from './kit.ts'
import { report, wanting } from './twin-contract.ts'

const [folder = ''] = process.argv.slice(2)
const store = await openSqliteStore({ folder, durability: 'fsync', clock: systemClock })
if (!store.devicesAtStart.has('pump-1')) store.journal.appendDevice('pump-1', 1)
await stored(store)
let n = (await store.twins.read('pump-1', 'main'))?.version ?? 0
for (;;) {
  // Version n is made by the change that says n: a few in one batch, then one by a call.
  const batch = Array.from({ length: 3 }, (_, at) => n + at + 1)
  for (const one of batch) report(store, { n: one, [`k${one % 5}`]: { n: one } })
  await stored(store)
  n += batch.length + 1
  await store.twins.change(wanting({ n }))
  writeSync(1, `${n}\n`)
}
