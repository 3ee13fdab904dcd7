// The columns of our Parquet files. What is no number stands in a column of its own kind; in a row at most one of the four is set, and a null
// has none of them.
import type { SchemaElement } from 'hyparquet'

const text = (name: string, repetition_type: 'REQUIRED' | 'OPTIONAL'): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
  repetition_type,
})

export const columnNames = ['device', 'metric', 'time', 'time_fraction', 'value', 'value_boolean', 'value_text', 'value_json'] as const

export const parquetSchema: SchemaElement[] = [
  { name: 'telemetry', num_children: columnNames.length },
  text('device', 'REQUIRED'),
  text('metric', 'REQUIRED'),
  {
    name: 'time',
    type: 'INT64',
    converted_type: 'TIMESTAMP_MILLIS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
    repetition_type: 'REQUIRED',
  },
  // What a time has behind the whole millisecond: together they are the float64 that was stored, where microseconds would round it.
  { name: 'time_fraction', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
  { name: 'value', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
  { name: 'value_boolean', type: 'BOOLEAN', repetition_type: 'OPTIONAL' },
  text('value_text', 'OPTIONAL'),
  // An object, an array, or a string that UTF-8 cannot hold.
  text('value_json', 'OPTIONAL'),
]
