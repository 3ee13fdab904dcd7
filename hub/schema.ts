// JSON Schema for the routes, written short: fastify validates with it, the documentation is made from it. TypeBox would do the same, and
// its several hundred files cost 0.17 s of every start.

export interface Schema {
  readonly [keyword: string]: unknown
}

/** Marks a property that may be missing; the marker itself is not part of the schema. */
class Optional {
  readonly schema: Schema

  constructor(schema: Schema) {
    this.schema = schema
  }
}

export const string = (more: Schema = {}): Schema => ({ type: 'string', ...more })
export const number = (more: Schema = {}): Schema => ({ type: 'number', ...more })
export const integer = (more: Schema = {}): Schema => ({ type: 'integer', ...more })
export const boolean = (more: Schema = {}): Schema => ({ type: 'boolean', ...more })
export const anything: Schema = {}
export const array = (items: Schema, more: Schema = {}): Schema => ({ type: 'array', items, ...more })
export const orNull = (schema: Schema, more: Schema = {}): Schema => ({ anyOf: [schema, { type: 'null' }], ...more })
export const either = (schemas: readonly Schema[], more: Schema = {}): Schema => ({ anyOf: schemas, ...more })
export const mapOf = (values: Schema, more: Schema = {}): Schema => ({ type: 'object', additionalProperties: values, ...more })
export const optional = (schema: Schema): Optional => new Optional(schema)

export function object(properties: { readonly [name: string]: Schema | Optional }, more: Schema = {}): Schema {
  const entries = Object.entries(properties)
  return {
    type: 'object',
    required: entries.flatMap(([name, one]) => (one instanceof Optional || 'default' in one ? [] : [name])),
    properties: Object.fromEntries(entries.map(([name, one]) => [name, one instanceof Optional ? one.schema : one])),
    ...more,
  }
}
