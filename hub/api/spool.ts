// Files that have to be whole before they can be read: a folder beside the store for as long as the import takes.
import { mkdirSync, rmSync } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Refusal } from '../errors.ts'
import { limits, MiB } from '../limits.ts'

/** Between two looks at the space that is left on the disk. */
const lookEveryBytes = 16 * MiB

export class Spool {
  readonly #folder: string
  #count = 0

  /** What an earlier run has left behind goes. */
  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, 'spool')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /**
   * Writes all pieces to a file, hands its path to `use`, and removes it. Errors: `body-too-large` past `limits.importSpoolBytes`,
   * `store-full` when the disk would come to its reserve; those of the pieces and of `use`.
   */
  async with<T>(pieces: AsyncIterable<Buffer>, use: (path: string) => Promise<T>): Promise<T> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const path = join(this.#folder, `${++this.#count}`)
    try {
      await this.#write(path, pieces)
      return await use(path)
    } finally {
      await rm(path, { force: true })
    }
  }

  async #write(path: string, pieces: AsyncIterable<Buffer>): Promise<void> {
    const file = await open(path, 'wx', 0o600)
    try {
      let bytes = 0
      let lookAt = 0
      for await (const piece of pieces) {
        bytes += piece.length
        if (bytes > limits.importSpoolBytes)
          throw new Refusal('body-too-large', { limit: limits.importSpoolBytes, name: 'importSpoolBytes' })
        if (bytes > lookAt) {
          const { bavail, bsize } = await statfs(this.#folder)
          if (bavail * bsize < limits.diskReserveBytes + lookEveryBytes) throw new Refusal('store-full')
          lookAt = bytes + lookEveryBytes
        }
        await file.write(piece)
      }
    } finally {
      await file.close()
    }
  }
}
