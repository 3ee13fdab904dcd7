// The partition files that a thread has open: opening one costs more than a query in it, and thousands of them would be too many.
import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolder, syncFolder } from './folders.ts'
import { Partition } from './partition.ts'

export class OpenPartitions {
  readonly #folder: string
  readonly #open: (path: string) => Partition | undefined
  readonly #most: number
  /** By file; the one used last is last. */
  readonly #partitions = new Map<string, Partition>()

  /** `folder` is that of all partitions. */
  constructor(folder: string, open: (path: string) => Partition | undefined, most: number) {
    this.#folder = folder
    this.#open = open
    this.#most = most
  }

  /** Undefined when there is no such file and `open` makes none. */
  get(file: string): Partition | undefined {
    const partition = this.#partitions.get(file) ?? this.#open(join(this.#folder, file))
    if (partition === undefined) return undefined
    this.#partitions.delete(file)
    this.#partitions.set(file, partition)
    for (const [name, oldest] of this.#partitions) {
      if (this.#partitions.size <= this.#most) break
      this.#partitions.delete(name)
      oldest.close()
    }
    return partition
  }

  /** Lets go of the file; a file that was removed takes room on the disk as long as somebody has it open. */
  close(file: string): void {
    this.#partitions.get(file)?.close()
    this.#partitions.delete(file)
  }

  closeAll(): void {
    for (const partition of this.#partitions.values()) partition.close()
    this.#partitions.clear()
  }
}

/** Opens it for writing; its folder is made, and what is new in a folder outlives a power cut. */
export function openForWriting(path: string): Partition {
  const folder = dirname(path)
  makeFolder(folder)
  // SQLite gives its side files the mode of the database. Not for a file that is there: closing it drops the locks that this process has on it.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
  const partition = Partition.open(path)
  syncFolder(folder)
  return partition
}
