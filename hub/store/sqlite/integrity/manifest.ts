// What a backup says of itself: every file with its size and the checksum of its bytes, so that a copy of it on whatever medium can be told
// to be whole, pages of SQLite that carry no checksum of their own included.
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export interface Manifest {
  readonly mooring: string
  /** When what it holds was stored; ISO 8601. */
  readonly at: string
  /** The number of the newest message in it. */
  readonly lastSeq: number
  readonly files: readonly FileEntry[]
  /** How much was damaged in the original already: the copy is no better. */
  readonly damaged: number
  /** The first of it. */
  readonly findings: readonly string[]
}

export interface FileEntry {
  readonly file: string
  readonly bytes: number
  readonly sha256: string
}

export const manifestName = 'backup.json'
const bufferBytes = 1024 * 1024

/** Every file of the folder but the manifest itself, each on disk when this returns. */
export function entriesOf(folder: string, onBytes: (bytes: number) => void): FileEntry[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(folder, file)).isFile())
  return names
    .filter((file) => file !== manifestName)
    .sort()
    .map((file) => ({ file, ...digest(join(folder, file), onBytes) }))
}

/** Size and checksum of a file; `copy` is given its bytes, piece by piece. */
export function digest(
  path: string,
  onBytes: (bytes: number) => void,
  copy: (bytes: Uint8Array) => void = () => {},
): { bytes: number; sha256: string } {
  const file = openSync(path, 'r')
  try {
    const hash = createHash('sha256')
    const buffer = new Uint8Array(bufferBytes)
    let bytes = 0
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
      const part = buffer.subarray(0, read)
      hash.update(part)
      copy(part)
      bytes += read
      onBytes(read)
    }
    return { bytes, sha256: hash.digest('hex') }
  } finally {
    closeSync(file)
  }
}

/** For its owner only, and on disk when it returns. */
export function writeWhole(path: string, write: (write: (bytes: Uint8Array) => void) => void): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    write((bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
    })
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export function writeManifest(folder: string, manifest: Manifest): void {
  writeWhole(join(folder, manifestName), (write) => write(Buffer.from(`${JSON.stringify(manifest, undefined, 1)}\n`)))
}

/** Errors: a sentence when it is no backup. */
export function readManifest(folder: string): Manifest {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, manifestName), 'utf8')) as Manifest
    if (!Array.isArray(manifest.files)) throw new Error('it names no files')
    return manifest
  } catch (error) {
    throw new Error(`${folder} is no backup of Mooring that was completed: ${manifestName} cannot be read (${(error as Error).message}).`)
  }
}
