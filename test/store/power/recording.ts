// A run of the workload as one row of steps: writes, syncs, names, and what was acknowledged between them; to be replayed up to any step.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { recordsTo, trace } from '../../kit/strace.ts'
import type { Claim } from './judge.ts'
import { bytesOf, pathBehind, type Step, stepsIn } from './syscalls.ts'
import { type NameRule, type SyncPoint, Volume } from './volume.ts'
import { type WorkloadOptions, workloadArgs } from './workload.ts'

/** A step of the recording done to a volume. What begins leaves something for its end. */
type Deed = (volume: Volume, running: Map<Deed, unknown>) => void

export interface Moment {
  readonly deed: Deed | undefined
  /** For a person who reads what was going on at a cut. */
  readonly text: string
  /** Moments around which cuts are the most telling: the end of a sync, an acknowledgement, a change of names. */
  readonly isEdge: boolean
  /** What could be claimed from here on. */
  readonly claim: Claim
}

export interface Recording {
  readonly moments: readonly Moment[]
  readonly syncs: number
  readonly writtenBytes: number
}

/** Runs the workload once per set of options, one after the other in the same folder, below `root`. */
export async function record(t: TestContext, root: string, runs: readonly WorkloadOptions[], log: string): Promise<Recording> {
  const reader = new Reader(
    root,
    runs.every(({ patient }) => !patient),
  )
  for (const run of runs) {
    const { code, signal, stderr, stdout } = await trace(t, recordsTo(log), workloadArgs(run)).ended
    const died = run.ends === 'die' && signal === 'SIGKILL'
    if (!died && code !== 0) throw new Error(`the workload ended with ${code ?? signal}: ${stderr}${stdout.slice(-300)}`)
    for (const step of stepsIn(log, [root, 'write(1<'])) reader.take(step)
    rmSync(log)
  }
  return reader
}

/** The folder as a power cut may leave it right after this many moments. */
export function replay({ moments }: Recording, root: string, count: number, rule: NameRule): Volume {
  const volume = new Volume(root, rule)
  const running = new Map<Deed, unknown>()
  for (let at = 0; at < count; at += 1) moments[at]!.deed?.(volume, running)
  return volume
}

const failed = /^(-1 |\?)/
/** Promises nothing about a power cut (its manual says so), so it changes nothing here. */
const harmless = ['sync_file_range']
const atEnd = Number.POSITIVE_INFINITY

class Reader implements Recording {
  readonly moments: Moment[] = []
  syncs = 0
  writtenBytes = 0
  #claim: Claim
  /** Where the next `write` goes, by descriptor. */
  readonly #places = new Map<string, number>()
  readonly #begun = new Map<Step['call'], Deed>()
  readonly #covers: (path: string) => boolean
  readonly #root: string

  constructor(root: string, hasFacts: boolean) {
    this.#root = root
    this.#claim = { acknowledged: 0, appended: 0, hasFacts }
    const volume = new Volume(root, 'kept')
    this.#covers = (path) => volume.covers(path)
  }

  take(step: Step): void {
    const { name, args } = step.call
    if (name === 'write' && args[0]!.startsWith('1<')) {
      if (step.is === 'begin') this.#heard(bytesOf(args[1]!).toString())
      return
    }
    const changes = { write: 1, pwrite64: 1, ftruncate: 1, fallocate: 1 }
    if (name in changes) this.#changed(step)
    else if (name === 'fsync' || name === 'fdatasync') this.#synced(step)
    else if (step.is === 'end' && !failed.test(step.returned)) this.#named(step)
  }

  /** Lines of the workload. */
  #heard(text: string): void {
    for (const line of text.trim().split('\n')) {
      const [word, round] = line.split(' ')
      if (word === 'append') this.#claim = { ...this.#claim, appended: Number(round) }
      // Rounds are told in their order, for their batches are committed so.
      if (word === 'stored') this.#claim = { ...this.#claim, acknowledged: Number(round) }
      this.#add(undefined, line, word === 'stored')
    }
  }

  #changed(step: Step): void {
    const { name, args } = step.call
    const path = pathBehind(args[0]!)
    if (path === undefined || !this.#covers(path)) return
    if (step.is === 'end') {
      const begin = this.#begun.get(step.call)!
      const failure = failed.test(step.returned)
      if (!failure && name === 'write') this.#places.set(args[0]!, this.#placeOf(args[0]!) + Number(step.returned))
      this.#add(
        (volume, running) => {
          const change = running.get(begin) as ReturnType<Volume['write']>
          running.delete(begin)
          if (!failure && change.is === 'write' && Number(step.returned) !== change.bytes.length)
            throw new Error('the replayer does not know short writes')
          if (failure) volume.takeBack(path, change)
          else change.settled = true
        },
        `${name} on ${this.#short(path)} returned`,
      )
      return
    }
    const begin = this.#changeOf(name, args, path)
    this.#begun.set(step.call, begin)
    this.#add(begin, `${name} ${this.#short(path)} ${args.slice(2).join(' ')}`)
  }

  #changeOf(name: string, args: readonly string[], path: string): Deed {
    if (name === 'ftruncate') {
      const size = Number(args[1])
      return function begin(volume, running) {
        running.set(begin, volume.resize(path, size))
      }
    }
    if (name === 'fallocate') {
      if (args[1] !== '0') throw new Error(`the replayer does not know fallocate with ${args[1]}`)
      const size = Number(args[2]) + Number(args[3])
      return function begin(volume, running) {
        running.set(begin, volume.resize(path, Math.max(size, volume.sizeOf(path))))
      }
    }
    const bytes = bytesOf(args[1]!)
    this.writtenBytes += bytes.length
    const at = name === 'pwrite64' ? Number(args[3]) : this.#placeOf(args[0]!)
    return function begin(volume, running) {
      running.set(begin, volume.write(path, at === atEnd ? volume.sizeOf(path) : at, bytes))
    }
  }

  #placeOf(descriptor: string): number {
    return this.#places.get(descriptor) ?? 0
  }

  #synced(step: Step): void {
    const path = pathBehind(step.call.args[0]!)
    if (path === undefined || !(this.#covers(path) || path === this.#root)) return
    if (step.is === 'begin') {
      const begin: Deed = (volume, running) => running.set(begin, volume.beginSync(path))
      this.#begun.set(step.call, begin)
      this.#add(begin, `${step.call.name} ${this.#short(path)}`, true)
      return
    }
    const begin = this.#begun.get(step.call)!
    if (failed.test(step.returned)) return
    this.syncs += 1
    this.#add(
      (volume, running) => {
        volume.endSync(running.get(begin) as SyncPoint)
        running.delete(begin)
      },
      `${step.call.name} of ${this.#short(path)} returned`,
      true,
    )
  }

  /** Names change at the end of the call; nobody acts on them before. */
  #named({ call: { name, args }, returned }: Extract<Step, { is: 'end' }>): void {
    const paths = this.#pathsIn(name, args)
    if (!paths.some(this.#covers)) return
    const [path = '', to = ''] = paths
    const short = paths.map((each) => this.#short(each)).join(' ')
    const add = (deed: Deed) => this.#add(deed, `${name} ${short}`, true)
    switch (name) {
      case 'open':
      case 'openat': {
        const flags = args[name === 'open' ? 1 : 2]!
        this.#places.set(returned, flags.includes('O_APPEND') ? atEnd : 0)
        if (flags.includes('O_TMPFILE')) throw new Error('the replayer does not know files without a name')
        if (flags.includes('O_CREAT')) add((volume) => volume.create(path))
        if (flags.includes('O_TRUNC')) {
          add((volume) => {
            volume.resize(path, 0).settled = true
          })
        }
        return
      }
      case 'lseek':
        this.#places.set(args[0]!, Number(returned))
        return
      case 'mkdir':
      case 'mkdirat':
        add((volume) => volume.makeFolder(path))
        break
      case 'unlink':
      case 'unlinkat':
      case 'rmdir':
        add((volume) => volume.remove(path))
        break
      case 'rename':
      case 'renameat':
      case 'renameat2':
        add((volume) => volume.rename(path, to))
        break
      case 'link':
      case 'linkat':
        add((volume) => volume.link(path, to))
        break
      default:
        if (!harmless.includes(name)) throw new Error(`the replayer does not know ${name} on ${short}`)
    }
  }

  /** Paths among the arguments, whole: those in quotes, behind the folder descriptor before them, else those of descriptors. */
  #pathsIn(name: string, args: readonly string[]): string[] {
    const quoted = args.flatMap((arg, at) => {
      if (!arg.startsWith('"')) return []
      const path = bytesOf(arg).toString()
      return [path.startsWith('/') ? path : join(pathBehind(args[at - 1] ?? '') ?? process.cwd(), path)]
    })
    if (quoted.length > 0 && name !== 'write') return quoted
    return args.flatMap((arg) => (/^\d+</.test(arg) ? [pathBehind(arg) ?? ''] : []))
  }

  #short(path: string): string {
    return path === this.#root ? 'the folder above' : path.slice(this.#root.length + 1)
  }

  #add(deed: Deed | undefined, text: string, isEdge = false): void {
    this.moments.push({ deed, text, isEdge, claim: this.#claim })
  }
}
