// A disk as a program saw it and as a power cut may leave it. A write is on the disk for certain when its file was synced after it; a name,
// when its folder was. Of all else any part may be there.
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Random } from '../../kit/random.ts'

/** How file systems keep names that were not synced. */
export const nameRules = ['posix', 'journalled', 'kept'] as const

/**
 * `posix`: what the standard promises, no more; any of the names that were not synced may be lost. `journalled`: as ext4, XFS and btrfs do,
 * names reach the disk in their order, and a sync of any file takes all before it along. `kept`: none was lost.
 */
export type NameRule = (typeof nameRules)[number]

const sectorBytes = 512

type Change =
  | { readonly is: 'write'; readonly at: number; readonly bytes: Uint8Array; settled: boolean }
  | { readonly is: 'resize'; readonly size: number; settled: boolean }

/** What is settled by a sync that began: nothing that came later, and nothing that was still on its way. */
export interface SyncPoint {
  readonly node: Node
  readonly changes: ReadonlySet<Change>
  readonly names: number
}

class File {
  readonly is = 'file'
  /** What is on the disk for certain. */
  #synced = Buffer.alloc(0)
  #size = 0
  changes: Change[] = []
  /** As a program sees it now. */
  sizeNow = 0

  sync(covered: ReadonlySet<Change>): void {
    for (const change of this.changes) if (covered.has(change)) this.#apply(change)
    this.changes = this.changes.filter((change) => !covered.has(change))
  }

  /** One of the contents that a power cut may leave. */
  afterCut(random: Random): Buffer {
    const copy = new File()
    copy.#synced = Buffer.from(this.#synced)
    copy.#size = this.#size
    for (const change of survivors(this.changes, random)) copy.#apply(change)
    return copy.#synced.subarray(0, copy.#size)
  }

  #apply(change: Change): void {
    if (change.is === 'resize') {
      if (change.size < this.#size) this.#synced.fill(0, change.size)
      this.#resize(change.size)
      return
    }
    const end = change.at + change.bytes.length
    if (end > this.#size) this.#resize(end)
    this.#synced.set(change.bytes, change.at)
  }

  #resize(size: number): void {
    if (size > this.#synced.length) {
      const grown = Buffer.alloc(Math.max(size, this.#synced.length * 2))
      this.#synced.copy(grown, 0, 0, this.#size)
      this.#synced = grown
    }
    this.#size = size
  }
}

class Folder {
  readonly is = 'folder'
  readonly names = new Map<string, Node>()
  readonly synced = new Map<string, Node>()
}

type Node = File | Folder

/** One change of names; a rename is one that changes two. */
interface NameChange {
  readonly entries: readonly { readonly folder: Folder; readonly name: string; readonly node: Node | undefined }[]
  settled: boolean
}

export class Volume {
  readonly #root: string
  readonly #rule: NameRule
  readonly #top = new Folder()
  #nameChanges: NameChange[] = []
  #namesEver = 0

  /** `root` is an empty folder that was there before; all that happens in it is modelled. */
  constructor(root: string, rule: NameRule) {
    this.#root = root
    this.#rule = rule
  }

  /** True for a path that this volume knows of. Files of shared memory mean nothing after a power cut. */
  covers(path: string): boolean {
    return path.startsWith(`${this.#root}/`) && !path.endsWith('-shm')
  }

  create(path: string): void {
    const { folder, name } = this.#place(path)
    if (!folder.names.has(name)) this.#rename([{ folder, name, node: new File() }])
  }

  makeFolder(path: string): void {
    const { folder, name } = this.#place(path)
    this.#rename([{ folder, name, node: new Folder() }])
  }

  remove(path: string): void {
    this.#rename([{ ...this.#place(path), node: undefined }])
  }

  rename(from: string, to: string): void {
    const node = this.#node(from)
    this.#rename([
      { ...this.#place(to), node },
      { ...this.#place(from), node: undefined },
    ])
  }

  link(from: string, to: string): void {
    this.#rename([{ ...this.#place(to), node: this.#node(from) }])
  }

  /** From the moment a write begins some of it may be on the disk; `settle` says that it has returned. */
  write(path: string, at: number, bytes: Uint8Array): Change {
    const change: Change = { is: 'write', at, bytes, settled: false }
    const file = this.#file(path)
    file.changes.push(change)
    file.sizeNow = Math.max(file.sizeNow, at + bytes.length)
    return change
  }

  resize(path: string, size: number): Change {
    const change: Change = { is: 'resize', size, settled: false }
    const file = this.#file(path)
    file.changes.push(change)
    file.sizeNow = size
    return change
  }

  /** A change that failed is taken back. */
  takeBack(path: string, change: Change): void {
    const file = this.#file(path)
    file.changes = file.changes.filter((each) => each !== change)
  }

  sizeOf(path: string): number {
    return this.#file(path).sizeNow
  }

  beginSync(path: string): SyncPoint {
    const node = path === this.#root ? this.#top : this.#node(path)
    const changes = new Set(node.is === 'file' ? node.changes.filter(({ settled }) => settled) : [])
    return { node, changes, names: this.#namesEver }
  }

  endSync({ node, changes, names }: SyncPoint): void {
    if (node.is === 'file') node.sync(changes)
    const older = names - (this.#namesEver - this.#nameChanges.length)
    const covered = this.#nameChanges.slice(0, Math.max(older, 0))
    for (const change of covered) {
      if (change.settled) continue
      if (this.#rule === 'journalled' || change.entries.some(({ folder }) => folder === node)) {
        put(change)
        change.settled = true
      }
    }
    // Those that wait keep their places, because places are counted.
    const waiting = this.#nameChanges.findIndex(({ settled }) => !settled)
    this.#nameChanges.splice(0, waiting === -1 ? this.#nameChanges.length : waiting)
  }

  /** Writes one of the folders that a power cut may leave into `target`, an empty folder. Ends the volume. */
  cutInto(target: string, random: Random): void {
    const waiting = this.#nameChanges.filter(({ settled }) => !settled)
    const kept = { posix: () => some(waiting, random), journalled: () => prefix(waiting, random), kept: () => waiting }[this.#rule]()
    for (const change of kept) put(change)
    build(this.#top, target, random)
  }

  #rename(entries: NameChange['entries']): void {
    for (const { folder, name, node } of entries) {
      if (node === undefined) folder.names.delete(name)
      else folder.names.set(name, node)
    }
    this.#nameChanges.push({ entries, settled: false })
    this.#namesEver += 1
  }

  #place(path: string): { readonly folder: Folder; readonly name: string } {
    const folder = dirname(path) === this.#root ? this.#top : this.#node(dirname(path))
    if (folder.is !== 'folder') throw new Error(`${dirname(path)} is no folder`)
    return { folder, name: basename(path) }
  }

  #node(path: string): Node {
    const { folder, name } = this.#place(path)
    const node = folder.names.get(name)
    if (node === undefined) throw new Error(`the recorder saw nothing create ${path}`)
    return node
  }

  #file(path: string): File {
    const node = this.#node(path)
    if (node.is !== 'file') throw new Error(`${path} is no file`)
    return node
  }
}

function put({ entries }: NameChange): void {
  for (const { folder, name, node } of entries) {
    if (node === undefined) folder.synced.delete(name)
    else folder.synced.set(name, node)
  }
}

function build(folder: Folder, target: string, random: Random): void {
  for (const [name, node] of folder.synced) {
    const path = join(target, name)
    if (node.is === 'file') {
      writeFileSync(path, node.afterCut(random))
      // Memory that processes share through a file is on the disk as it happens to be.
      if (name.endsWith('-wal') && random(4) === 0) writeFileSync(join(target, name.replace(/-wal$/, '-shm')), junk(random))
    } else {
      mkdirSync(path)
      build(node, path, random)
    }
  }
}

function junk(random: Random): Uint8Array {
  return Uint8Array.from({ length: 32_768 }, () => random(256))
}

/** What of a file's unsynced changes is there: nothing, all, the first, any, or pieces of any. */
function survivors(changes: readonly Change[], random: Random): readonly Change[] {
  switch (random(6)) {
    case 0:
      return []
    case 1:
      return changes
    case 2:
      return prefix(changes, random)
    case 3:
      return some(changes, random)
    case 4: {
      // The last one of those that were on their way is the one that was torn.
      const kept = prefix(changes, random)
      return [...kept.slice(0, -1), ...kept.slice(-1).flatMap((change) => torn(change, random))]
    }
    default:
      return some(changes, random).flatMap((change) => (random(2) === 0 ? torn(change, random) : [change]))
  }
}

function prefix<T>(all: readonly T[], random: Random): readonly T[] {
  return all.slice(0, random(all.length + 1))
}

function some<T>(all: readonly T[], random: Random): readonly T[] {
  return all.filter(() => random(2) === 0)
}

/** The sectors of a write that reached the disk. A file may have grown for those that did not: they read as zeros. */
function torn(change: Change, random: Random): Change[] {
  if (change.is === 'resize') return [change]
  const { at, bytes } = change
  const end = at + bytes.length
  const pieces: Change[] = random(4) === 0 ? [{ is: 'write', at: end, bytes: bytes.subarray(0, 0), settled: true }] : []
  for (let from = at; from < end; ) {
    const to = Math.min(end, (Math.floor(from / sectorBytes) + 1) * sectorBytes)
    if (random(2) === 0) pieces.push({ is: 'write', at: from, bytes: bytes.subarray(from - at, to - at), settled: true })
    from = to
  }
  return pieces
}
