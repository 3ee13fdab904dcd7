// How many commands wait, are under way and have failed today, and how far those to many are; read again after each step that is told.
import { useEffect } from 'preact/hooks'
import { type Bulk, loadBulks, loadCounts, type StateCounts } from '../api/commands.ts'
import { Problem } from '../api.ts'
import { count } from '../format.ts'
import { epoch, hubNow, onCommands } from '../state.ts'
import { commandsWords } from '../words/commands.ts'
import { commandsPath } from './command-detail.tsx'

const says = commandsWords
/** Read this often at most, however many steps are told. */
const countEveryMs = 1_000

export interface Counted {
  readonly open: StateCounts
  readonly over: StateCounts
  readonly bulks: readonly Bulk[]
}

export function useCounts(counted: { value: Counted | null }, tries: number): void {
  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    let timer = 0
    const read = async () => {
      timer = 0
      try {
        const [counts, bulks] = await Promise.all([
          loadCounts(new Date(hubNow()).setHours(0, 0, 0, 0), abort.signal),
          loadBulks(abort.signal),
        ])
        counted.value = { ...counts, bulks }
      } catch (error) {
        if (!(error instanceof Problem) && !abort.signal.aborted) throw error // the list says what is wrong
      }
    }
    void read()
    const end = onCommands(() => {
      timer ||= window.setTimeout(read, countEveryMs)
    })
    return () => {
      end()
      clearTimeout(timer)
      abort.abort()
    }
  }, [epoch.value, tries])
}

export function Numbers({ counted }: { counted: Counted | null }) {
  if (counted === null) return <p class="sentence">{says.reading}</p>
  const { queued = 0, sent = 0, received = 0, done = 0 } = counted.open
  const { failed = 0 } = counted.over
  return (
    <p class="sentence parts live">
      <a href={commandsPath('state:queued')}>{says.waiting(count(queued))}</a>
      <a href={commandsPath('state:sent state:received')}>{says.underWay(count(sent + received + done))}</a>
      <a href={commandsPath('state:failed')}>
        {failed === 0 ? null : <i class="shape bad" />}
        {says.failedToday(count(failed))}
      </a>
    </p>
  )
}
