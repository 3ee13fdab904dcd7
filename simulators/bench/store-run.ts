// One rival with one kind of series: everything written, everything asked, everything compared.
import { setTimeout as sleep } from 'node:timers/promises'
import { atRest, readMachine, threadSeconds } from './proc.ts'
import type { Dataset } from './store-data.ts'
import type { Examination, Question, QuestionName } from './store-questions.ts'
import type { Rival } from './store-rival.ts'
import { median } from './table.ts'

export interface Outcome {
  /** False: the store did not hold or give what was written, or something failed. */
  readonly clean: boolean
  readonly troubles: readonly string[]
  readonly version: string
  readonly pointsHeld: number
  readonly bytesPerPoint: number
  /** Bytes by what they are for, as the store tells. */
  readonly parts: Readonly<Record<string, number>>
  /** CPU for one point, all processes and threads, until nothing was put off any more. */
  readonly cpuMicroseconds: number
  /** Of it, by the name of the thread or process. */
  readonly threads: Readonly<Record<string, number>>
  readonly pointsPerSecond: number
  /** False: it was still working 10 s after everything had been said to be done. */
  readonly settled: boolean
  /** What everything else on the machine used meanwhile, in cores. */
  readonly otherCores: number
  readonly queryMs: Readonly<Partial<Record<QuestionName, number>>>
}

/** Start, stop, checks and questions; and for each point what ten slow stores would take. */
const [baseMs, pointMs] = [40_000, 0.05]
const repetitions = 9
/** A question that takes long is not asked as often. */
const askForMs = 1500

type Draft = { -readonly [K in keyof Outcome]?: Outcome[K] }

/** Never rejects; what fails is a trouble of the outcome. `open` hands over the rival and ends it once that promise has settled. */
export async function runRival(
  open: (use: (rival: Rival) => Promise<void>) => Promise<void>,
  dataset: Dataset,
  examination: Examination,
): Promise<Partial<Outcome>> {
  const outcome: Draft = {}
  const troubles: string[] = []
  try {
    await open(async (rival) => {
      outcome.version = rival.version
      await within(baseMs + dataset.points * pointMs, examine(rival, dataset, examination, outcome, troubles))
    })
  } catch (error) {
    troubles.push(error instanceof Error ? error.message : String(error))
  }
  return { ...outcome, troubles, clean: troubles.length === 0 }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController()
  const late = sleep(ms, undefined, { signal: done.signal }).then(() => {
    throw new Error(`It took longer than ${Math.round(ms / 1000)} s.`)
  })
  late.catch(() => {}) // aborted when the work was done in time
  await Promise.race([late, work]).finally(() => done.abort())
}

async function examine(rival: Rival, dataset: Dataset, examination: Examination, outcome: Draft, troubles: string[]): Promise<void> {
  const readCpu = () => rival.readCpu()
  await atRest(readCpu)
  const [cpu, machine, own, atMs] = [readCpu(), readMachine(), process.cpuUsage(), performance.now()]
  await rival.write(dataset)
  const writtenMs = performance.now()
  await rival.finish()
  outcome.settled = await atRest(readCpu)
  const spent = readCpu()
  const { user, system } = process.cpuUsage(own)
  const wallSeconds = (performance.now() - atMs) / 1000
  const perPoint = 1e6 / dataset.points
  outcome.cpuMicroseconds = (spent.seconds - cpu.seconds) * perPoint
  outcome.threads = Object.fromEntries(Object.entries(threadSeconds(cpu, spent)).map(([name, seconds]) => [name, seconds * perPoint]))
  outcome.pointsPerSecond = dataset.points / ((writtenMs - atMs) / 1000)
  const accountedSeconds = spent.seconds - cpu.seconds + (user + system) / 1e6
  outcome.otherCores = Math.max(0, (readMachine().busySeconds - machine.busySeconds - accountedSeconds) / wallSeconds)

  const { points, bytes, parts } = await rival.size()
  outcome.pointsHeld = points
  outcome.bytesPerPoint = bytes / points
  outcome.parts = parts
  if (points !== dataset.points) troubles.push(`it holds ${points} points, ${dataset.points} were written`)

  const queryMs: Partial<Record<QuestionName, number>> = {}
  outcome.queryMs = queryMs
  for (const question of examination.questions) queryMs[question.is] = await asked(rival, question, dataset, examination, troubles)
}

/** The median of some; the first one, which also is compared, finds nothing in the store's memory and does not count. */
async function asked(rival: Rival, question: Question, dataset: Dataset, examination: Examination, troubles: string[]): Promise<number> {
  const wrong = examination.wrong(question.is, await rival.ask(question, dataset))
  if (wrong !== undefined) troubles.push(`${question.is}: ${wrong}`)
  const times: number[] = []
  const untilMs = performance.now() + askForMs
  do {
    const atMs = performance.now()
    await rival.ask(question, dataset)
    times.push(performance.now() - atMs)
  } while (times.length < repetitions && performance.now() < untilMs)
  return median(times)
}
