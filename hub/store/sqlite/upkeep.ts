// On the loop: what has to be done to the series again and again, one piece after the other. The keeper thread changes partitions, then
// the writer thread puts it on record, and only then goes what is not needed any more.
import type { Deletion } from './deletions.ts'
import type { KeeperFunctions } from './keeper/keeper.ts'
import type { Rolled } from './keeper/roller.ts'
import type { KeeperStatus } from './keeper/status-reader.ts'
import type { Thread } from './thread.ts'
import type { WriterFunctions } from './writer-functions.ts'

const everyMs = 1000
const stepsPerRound = 20

export class Upkeep {
  readonly #writer: Thread<WriterFunctions>
  readonly #startKeeper: () => Promise<Thread<KeeperFunctions>>
  #keeper: Promise<Thread<KeeperFunctions>> | undefined
  #timer: NodeJS.Timeout | undefined
  #ended = false
  /** What the journal brought back at the start is in heads. */
  #isSettled = false
  /**
   * What a crash left in chunks and in heads is in chunks alone. As long as it is not, points could be added to rollups, go with their file,
   * and come again as late ones.
   */
  #isSealedOnce = false
  /** One piece at a time: who wants something done waits for what is being done. */
  #work: Promise<unknown> = Promise.resolve()

  readonly #forget: (files: readonly string[]) => Promise<void>
  readonly #failed: (error: Error) => void
  /** Why the newest round ended early; undefined when all is well. */
  problem: string | undefined

  /** `forget` has readers close files that were removed or replaced; `failed` is told of what no later try can heal. */
  constructor(
    writer: Thread<WriterFunctions>,
    startKeeper: () => Promise<Thread<KeeperFunctions>>,
    forget: (files: readonly string[]) => Promise<void>,
    failed: (error: Error) => void,
  ) {
    this.#writer = writer
    this.#startKeeper = startKeeper
    this.#forget = forget
    this.#failed = failed
    this.#soon()
  }

  /** The keeper, started when it is first needed. It tidies up after a crash: before that nobody may read partitions. */
  keeper(): Promise<Thread<KeeperFunctions>> {
    this.#keeper ??= this.#startKeeper().catch((error: unknown) => {
      this.#keeper = undefined
      throw error
    })
    return this.#keeper
  }

  /** Makes chunks of all points that were stored before the call. */
  async sealAll(): Promise<void> {
    await this.#writer.call('settleAll', [])
    await this.#inTurn(async () => this.#sealHeads(await this.keeper()))
  }

  async #sealHeads(keeper: Thread<KeeperFunctions>): Promise<void> {
    for (let last = 0; !this.#ended; ) {
      if (!(await this.#rollLate(keeper))) return
      const sealed = await this.#mending(keeper, () => keeper.call('sealAfter', [last]))
      if (sealed === undefined) return
      await this.#writer.call('sealed', [sealed])
      last = sealed.devices.at(-1)!
    }
  }

  /** Resolves when nothing is left of the device, but what the journal has. */
  async finishDeletion(deletion: Deletion): Promise<void> {
    await this.#inTurn(async () => this.#finishDeletion(await this.keeper(), deletion))
  }

  /** How long points are kept may have changed. Resolves when that holds. */
  async typesChanged(): Promise<void> {
    await (await this.#keeper)?.call('readTypes', [])
  }

  async status(): Promise<KeeperStatus> {
    return (await this.keeper()).call('status', [])
  }

  /** Resolves when the piece that is being done is done; nothing is begun after it. */
  async close(): Promise<void> {
    this.#ended = true
    clearTimeout(this.#timer)
    await this.#work
    const keeper = await this.#keeper?.catch(() => undefined)
    await keeper?.call('close', []).catch(() => {})
    await keeper?.stop()
  }

  #soon(): void {
    if (this.#ended) return
    this.#timer = setTimeout(() => {
      this.#inTurn(() => this.#round())
        .then(
          () => {
            this.problem = undefined
          },
          (error: Error) => {
            this.problem = error.message
          },
        )
        .then(() => this.#soon())
    }, everyMs)
    this.#timer.unref()
  }

  async #round(): Promise<void> {
    for (let step = 0; step < stepsPerRound && !this.#ended; step += 1) if (!(await this.#writer.call('trim', []))) break
    const keeper = await this.keeper()
    for (;;) {
      if (!(await this.#rollLate(keeper))) break
      const sealed = this.#ended ? undefined : await this.#mending(keeper, () => keeper.call('sealDue', []))
      if (sealed === undefined) break
      await this.#writer.call('sealed', [sealed])
    }
    for (const deletion of await this.#writer.call('deletions', [])) await this.#finishDeletion(keeper, deletion)
    for (let step = 0; step < stepsPerRound && this.#isSettled; step += 1) if (!(await this.#roll(keeper, 'rollDue'))) break
    for (let step = 0; step < stepsPerRound && !this.#ended; step += 1) {
      const shed = await this.#mending(keeper, () => keeper.call('shedDue', []))
      if (shed === undefined) break
      if (shed.is === 'rolled') await this.#record(keeper, shed.rolled)
      else if (this.#isSealedOnce) await this.#drop(keeper, shed.files)
      else {
        this.#isSealedOnce = true // tried once: a full disk, which does not take them, needs the room
        await this.#sealHeads(keeper)
      }
    }
    if (!this.#ended) await keeper.call('scrub', [])
  }

  /**
   * Adds late points to rollups. What a crash left is judged by whether heads have it, too, so what the journal brought back has to be in
   * heads first: false when the disk does not take it.
   */
  async #rollLate(keeper: Thread<KeeperFunctions>): Promise<boolean> {
    this.#isSettled ||= await this.#writer.call('settleAll', [])
    while (this.#isSettled && (await this.#roll(keeper, 'rollLate')));
    return this.#isSettled
  }

  /** False when nothing is due. */
  async #roll(keeper: Thread<KeeperFunctions>, which: 'rollDue' | 'rollLate'): Promise<boolean> {
    const rolled = this.#ended ? undefined : await this.#mending(keeper, () => keeper.call(which, []))
    if (rolled !== undefined) await this.#record(keeper, rolled)
    return rolled !== undefined
  }

  async #record(keeper: Thread<KeeperFunctions>, rolled: Rolled): Promise<void> {
    await this.#writer.call('rolled', [rolled])
    await keeper.call('confirmRolled', [])
  }

  /** What a crash cut is done again: removing twice changes nothing. */
  async #finishDeletion(keeper: Thread<KeeperFunctions>, { device, series }: Deletion): Promise<void> {
    for (let after = ''; series.length > 0; ) {
      if (this.#ended) return
      const forgotten = await this.#mending(keeper, () => keeper.call('forget', [series, after]))
      if (forgotten === undefined) break
      for (const partition of forgotten.partitions) await this.#writer.call('mended', [partition])
      after = forgotten.last
    }
    await this.#writer.call('endDeletion', [device])
  }

  /** First on record, then the files, then those who have them open: only that gives the room back. */
  async #drop(keeper: Thread<KeeperFunctions>, files: readonly string[]): Promise<void> {
    await this.#writer.call('dropped', [files])
    await keeper.call('remove', [files])
    await this.#forget(files)
  }

  /** Work that may meet damaged partitions. Each gets a new file; readers let go of the old one before it counts; then the work is done again. */
  async #mending<Done>(keeper: Thread<KeeperFunctions>, work: () => Promise<Done>): Promise<Done> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        let isMended = false
        for (let row = await keeper.call('mendDue', []); row !== undefined; row = await keeper.call('mendDue', [])) {
          await this.#forget([row.file])
          await this.#writer.call('mended', [row])
          isMended = true
        }
        if (!isMended) throw error
      }
    }
  }

  /** A full disk or one that is busy: the next try does it, for every step may be done twice. After an I/O error nobody knows. */
  #inTurn<Done>(work: () => Promise<Done>): Promise<Done> {
    const done = this.#work.then(work)
    this.#work = done.catch((error: Error) => {
      if ('code' in error && /^(SQLITE_IOERR|EIO$)/.test(String(error.code))) this.#failed(error)
    })
    return done
  }
}
