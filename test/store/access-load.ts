// A process of its own that writes pairs of documents, each with an entry of the audit log, and says which are on disk, until it is killed.
import { writeSync } from 'node:fs'
import { systemClock } from '../../hub/clock.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'

const [folder = ''] = process.argv.slice(2)
const { access } = await openSqliteStore({ folder, durability: 'fsync', clock: systemClock })
let n = Number(access.atStart[0]?.body ?? '0')
for (;;) {
  const writes = [1, 2, 3].map(() => {
    n += 1
    const body = String(n)
    const change = (id: string) => ({ kind: 'pair', id, body })
    return access.write([change('a'), change('b')], [{ at: n, who: '', from: '', action: '', target: '', outcome: 'done', detail: body }])
  })
  await Promise.all(writes)
  writeSync(1, `${n}\n`)
}
