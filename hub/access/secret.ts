// Secrets of the hub itself, made at the first start: keys under which others' secrets are kept as hashes.
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { AccessStore } from '../store/access.ts'

const kind = 'secret'
const secretBytes = 32

/**
 * The secret of this name; made and written first if there is none. One that cannot be read, or is gone while there are credentials, ends the
 * start: a new one in its place would lock out everybody whose token was hashed under the old one, without a word.
 */
export async function hubSecret(store: AccessStore, name: string): Promise<KeyObject> {
  const record = store.atStart.find((one) => one.kind === kind && one.id === name)
  const isFirstStart = !store.atStart.some((one) => one.kind === 'credential')
  if (record === undefined && isFirstStart) return makeSecret(store, name)
  const bytes = Buffer.from(textOf(record?.body ?? ''), 'base64')
  if (bytes.length !== secretBytes) throw new Error(`The secret ${name} of the hub cannot be read; restore the data folder from a backup.`)
  return createSecretKey(bytes)
}

async function makeSecret(store: AccessStore, name: string): Promise<KeyObject> {
  const bytes = randomBytes(secretBytes)
  await store.write([{ kind, id: name, body: JSON.stringify(bytes.toString('base64')) }], [])
  return createSecretKey(bytes)
}

function textOf(body: string): string {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}
