// A process of its own that deletes two devices of a folder and says what it was told, until it is killed.
import { writeSync } from 'node:fs'
import { systemClock } from '../../hub/clock.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'

const [folder = ''] = process.argv.slice(2)
const store = await openSqliteStore({ folder, durability: 'fsync', clock: systemClock })
await store.status({ seal: false }) // the keeper runs
writeSync(1, 'begins\n')
for (const id of ['pump-1', 'pump-2']) if (await store.deleteDevice(id)) writeSync(1, `gone ${id}\n`)
