// Cursors: places in the journal as clients know them, `epoch.seq`. An epoch is one run of the hub over one database; the numbers of all of
// them are one sequence. A run that lost its newest numbers (a weaker durability, a power cut) is followed by one that gives them again, so
// the epoch says which of the two a cursor means.
import { Refusal } from '../errors.ts'

export interface Epoch {
  readonly epoch: number
  /** The first number that this run gave, or would have given. */
  readonly firstSeq: number
}

export interface Place {
  /** Everything up to here has been seen. */
  readonly seq: number
  /** False when the cursor is not of this journal, or of a part of it that was lost: then `seq` is the best there is. */
  readonly known: boolean
}

const form = /^(\d{1,15})\.(\d{1,16})$/

export class Cursors {
  /** Ascending; never empty. */
  readonly #epochs: readonly Epoch[]
  readonly #newest: Epoch

  constructor(epochs: readonly Epoch[]) {
    this.#epochs = epochs
    this.#newest = epochs.at(-1) as Epoch
  }

  /** The same for the same message, in whichever run it is asked. */
  cursorOf(seq: number): string {
    if (seq >= this.#newest.firstSeq) return `${this.#newest.epoch}.${seq}`
    const { epoch } = this.#epochs.findLast(({ firstSeq }) => firstSeq <= seq) ?? (this.#epochs[0] as Epoch)
    return `${epoch}.${seq}`
  }

  isCursor(text: string): boolean {
    return form.test(text)
  }

  /** `newestSeq`: the newest number given so far. Errors: `cursor-invalid`. */
  placeOf(cursor: string, newestSeq: number): Place {
    const [, epochText, seqText] = form.exec(cursor) ?? []
    if (epochText === undefined) throw new Refusal('cursor-invalid', { cursor: cursor.slice(0, 64) })
    const at = this.#epochs.findIndex(({ epoch }) => epoch === Number(epochText))
    if (at === -1) return { seq: 0, known: false }
    const seq = Number(seqText)
    const lastSeq = (this.#epochs[at + 1]?.firstSeq ?? newestSeq + 1) - 1
    return seq <= lastSeq ? { seq, known: true } : { seq: lastSeq, known: false }
  }
}
