// Extensions from files: whatever a file exports by default, made by `extension(…)`.
import { readdirSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { basename, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { limits } from '../limits.ts'
import { type Extension, extension } from './extension.ts'

const sources = new Set(['.ts', '.mts', '.js', '.mjs'])

/**
 * Those of each file, and of a folder those of each source in it. `library` is what they get when they import 'mooring'. A file that cannot be read as
 * an extension is one whose set-up fails, so that it is shown like any other. Errors: for a path that is not there.
 */
export async function loadExtensions(paths: readonly string[], library: URL): Promise<Extension[]> {
  if (paths.length === 0) return []
  // They lie in a folder of their own, where no package of this name would be found.
  registerHooks({
    resolve: (specifier, context, next) => (specifier === 'mooring' ? { url: library.href, shortCircuit: true } : next(specifier, context)),
  })
  return Promise.all(paths.flatMap(filesOf).map(loadExtension))
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [resolve(path)]
    const names = readdirSync(path).filter((name) => sources.has(extname(name)) && !/\.(d|test)\.\w+$/.test(name))
    return names.sort().map((name) => resolve(join(path, name)))
  } catch (error) {
    throw new Error(`The extensions in ${path} (--extensions) cannot be read: ${(error as Error).message}.`, { cause: error })
  }
}

async function loadExtension(file: string): Promise<Extension> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`${file} was not loaded within ${limits.extensionSetUpSeconds} s`)
    timer = setTimeout(() => reject(error), limits.extensionSetUpSeconds * 1000)
  })
  try {
    const { default: exported } = (await Promise.race([import(pathToFileURL(file).href), late])) as {
      readonly default?: Partial<Extension>
    }
    if (typeof exported?.name === 'string' && typeof exported.setUp === 'function') return extension(exported.name, exported.setUp)
    throw new Error(`${file} exports no extension by default: export default extension('name', (hub) => { … })`)
  } catch (error) {
    const name = basename(file, extname(file))
      .replaceAll(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 64)
    return extension(/^[A-Za-z0-9]/.test(name) ? name : 'file', () => {
      throw error
    })
  } finally {
    clearTimeout(timer)
  }
}
