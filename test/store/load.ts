// A process of its own that stores readings as fast as it can and says which are stored, until it is killed.
import { writeSync } from 'node:fs'
import { systemClock } from '../../hub/clock.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { reading } from './kit.ts'

const [folder = '', first = '0'] = process.argv.slice(2)
const devices = 20
const store = await openSqliteStore({ folder, durability: 'fsync', clock: systemClock })
if (store.devicesAtStart.size === 0) {
  for (let device = 1; device <= devices; device += 1) store.journal.appendDevice(`pump-${device}`, device)
}
const waiter = {
  stored: (token: number) => writeSync(1, `${token}\n`),
  failed: (_: number, why: Error) => {
    throw why
  },
}
let at = Number(first)
setInterval(() => {
  for (let count = 0; count < 50; count += 1) {
    at += 1
    reading(store, 1 + (at % devices), { ts: at, values: { n: at, even: at % 2 === 0 } })
  }
  store.journal.after(waiter, at)
  // A read writes its device's points, so that the kill finds some devices in the tables and others not.
  store.device(`pump-${1 + (Math.floor(at / 50) % devices)}`)
}, 1)
