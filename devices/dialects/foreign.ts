// The foreign dialects there are, by the names that the setting has for them.
import type { ForeignDialect } from './dialect.ts'
import { thingsboard } from './thingsboard.ts'

export const foreignDialects = { thingsboard } as const satisfies Readonly<Record<string, ForeignDialect>>

export type DialectName = keyof typeof foreignDialects
