// Whether the params of a call are what its extension described by JSON Schema.
import { Ajv } from 'ajv'
import type { Schema } from '../schema.ts'

/** The clause that says what does not fit; undefined when all does. Errors: for what is no schema. */
export function paramsCheck(schema: Schema): (params: unknown) => string | undefined {
  // Not strict: what JSON Schema allows is allowed, and nothing is changed on the way. One for each, so that it goes with its extension.
  const ajv = new Ajv({ strict: false, coerceTypes: false, validateFormats: false })
  const fits = ajv.compile(schema)
  return (params) => (fits(params) ? undefined : ajv.errorsText(fits.errors, { dataVar: 'params' }))
}
