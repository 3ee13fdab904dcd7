// Files that commands read from and write secrets to.
import { type FileHandle, open, readFile, rm } from 'node:fs/promises'
import { CommandError, type Terminal } from './command.ts'

/** Errors: `CommandError`. */
export function textOfFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: Error) => {
    throw new CommandError(error.message)
  })
}

/** Of a file, or of stdin when it is -. Errors: `CommandError`. */
export async function textIn(file: string, { stdin, signal }: Terminal): Promise<string> {
  if (file !== '-') return textOfFile(file)
  let text = ''
  signal.addEventListener('abort', () => stdin.destroy(signal.reason as Error))
  for await (const chunk of stdin.setEncoding('utf8')) text += chunk
  return text
}

/** For secrets, so for its owner alone; one that is there may hold others. Errors: `CommandError`. */
export function createFile(path: string): Promise<FileHandle> {
  return open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      error.code === 'EEXIST' ? `${path} is there already; name a new file` : `${path} cannot be written: ${error.message}`,
    )
  })
}

/** Files that are there, empty, before what goes into them is made: a secret that is told once must not meet a name that is taken. */
export class NewFiles {
  readonly names: readonly string[]
  readonly #open: FileHandle[] = []

  private constructor(names: readonly string[]) {
    this.names = names
  }

  /** Errors: `CommandError`; then none of them is left. */
  static async create(names: readonly string[]): Promise<NewFiles> {
    const files = new NewFiles(names)
    try {
      for (const name of names) files.#open.push(await createFile(name))
    } catch (error) {
      await files.remove()
      throw error
    }
    return files
  }

  /** One text for each of them, on disk when it resolves. Errors: of the disk. */
  async write(texts: readonly string[]): Promise<void> {
    for (const [at, file] of this.#open.entries()) {
      await file.writeFile(texts[at] ?? '')
      await file.sync()
    }
    await this.#close()
  }

  async remove(): Promise<void> {
    for (const at of this.#open.keys()) await rm(this.names[at] as string, { force: true })
    await this.#close()
  }

  async #close(): Promise<void> {
    for (const file of this.#open.splice(0)) await file.close()
  }
}
