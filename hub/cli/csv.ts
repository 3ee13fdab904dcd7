// CSV as people's tables write it (RFC 4180): records, each with the line it begins in.

export interface CsvRecord {
  /** Counted from 1. */
  readonly line: number
  readonly fields: readonly string[]
}

/** Empty lines are none. Lines may end in CRLF, LF or CR; a quote that is never closed reaches to the end. */
export function recordsIn(text: string): CsvRecord[] {
  const records: CsvRecord[] = []
  let line = 1
  let startLine = 1
  let fields: string[] = []
  const end = (lines: number) => {
    if (fields.some((field) => field !== '')) records.push({ line: startLine, fields })
    fields = []
    line += lines
    startLine = line
  }
  // A field, in quotes or without, and what stands behind it.
  const pattern = /(?:"((?:[^"]|"")*)(?:"|$)([^,\r\n]*)|([^,\r\n]*))(,|\r\n|\r|\n|$)/gy
  for (const [, quoted, behind = '', plain = '', ending] of text.replace(/^\ufeff/, '').matchAll(pattern)) {
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"') + behind)
    const linesInside = quoted?.match(/\r\n|\r|\n/g)?.length ?? 0
    line += linesInside
    if (ending !== ',') end(ending === '' ? 0 : 1)
  }
  return records
}
