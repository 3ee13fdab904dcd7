// Which format a file has, by its name.
import { UsageError } from './command.ts'

const formatOf: Readonly<Record<string, string>> = {
  csv: 'csv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  parquet: 'parquet',
  lp: 'line-protocol',
  line: 'line-protocol',
}

/** What was said, or what the name ends with; `.gz` behind it is passed over. Errors: `UsageError`. */
export function formatFor(said: string | undefined, file: string | undefined, formats: readonly string[], standard?: string): string {
  const ending = /\.([a-z]+)(?:\.gz)?$/i.exec(file ?? '')?.[1]?.toLowerCase() ?? ''
  const format = said ?? formatOf[ending] ?? (file === undefined ? standard : undefined)
  if (format !== undefined && formats.includes(format)) return format
  const what = format === undefined ? `the name ${file ?? '-'} does not say the format` : `${format} is no format here`
  throw new UsageError(`${what}; say --format, one of ${formats.join(', ')}`)
}
