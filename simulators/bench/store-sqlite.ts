// Plain rows of SQLite as a rival: starts store-rows.ts and talks to it.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readCpu } from './proc.ts'
import { pinnedTo } from './servers.ts'
import { type Dataset, flatBatches } from './store-data.ts'
import type { Answers, Question } from './store-questions.ts'
import type { Rival, Size } from './store-rival.ts'
import type { Command, Layout, Rows } from './store-rows.ts'
import { chartOf, dayOf, hourOf, latestOf } from './store-sql-answers.ts'

const program = fileURLToPath(new URL('./store-rows.ts', import.meta.url))
/** Ten commits: the way between the processes should cost little beside them. */
const pointsPerMessage = 10_000

export async function startSqlite(folder: string, layout: Layout): Promise<Rival> {
  const words = [...pinnedTo(0), process.execPath, program, join(folder, 'rows.db'), layout]
  const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
  const killOnExit = () => child.kill('SIGKILL')
  process.once('exit', killOnExit)
  child.once('exit', () => process.off('exit', killOnExit))
  const { version } = await answerOf<{ version: string }>(child)
  return new SqliteRival(child, `SQLite ${version}`)
}

class SqliteRival implements Rival {
  readonly #child: ChildProcess
  readonly version: string

  constructor(child: ChildProcess, version: string) {
    this.#child = child
    this.version = version
  }

  readCpu() {
    return readCpu(this.#child.pid!)
  }

  async write(dataset: Dataset): Promise<void> {
    let before: Promise<unknown> = Promise.resolve()
    for (const batch of flatBatches(dataset, pointsPerMessage)) {
      await before // it was at work while this batch was made
      before = this.#do({ do: 'write', batch })
    }
    await before
  }

  async finish(): Promise<void> {
    await this.#do({ do: 'finish' })
  }

  async size(): Promise<Size> {
    const [[points = 0, bytes = 0] = []] = await this.#do({ do: 'size' })
    return { points, bytes, parts: {} }
  }

  async ask<Q extends Question>(question: Q): Promise<Answers[Q['is']]> {
    return (await this.#answer(question)) as Answers[Q['is']]
  }

  async #answer(question: Question): Promise<Answers[Question['is']]> {
    if (question.is === 'latest') return latestOf(await this.#do({ do: 'latest' }))
    const rows = await this.#do({ do: question.is, series: 0, fromMs: question.fromMs, toMs: question.toMs })
    return { hour: hourOf, day: dayOf, chart: chartOf }[question.is](rows)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL') // the file is thrown away
    await exited
  }

  #do(command: Command): Promise<Rows> {
    const answer = answerOf<Rows>(this.#child)
    this.#child.send(command)
    return answer
  }
}

/** One command at a time, so the next message is the answer. */
function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`The process of the rows ended with ${code}.`))
    child.once('exit', onExit)
    child.once('error', reject)
    child.once('message', (message) => {
      child.off('exit', onExit)
      child.off('error', reject)
      resolve(message as T)
    })
  })
}
