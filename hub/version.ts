// The version in package.json, read once.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const text = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')

export const version: string = (JSON.parse(text) as { version: string }).version
