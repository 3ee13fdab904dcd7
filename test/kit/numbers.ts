// Numbers in a row, for what a test does many times.

/** 1, 2 … `count`: packet identifiers begin at one. */
export const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

/** `from` … `to`, without `to`, as text: payloads that are counted. */
export const counted = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `${from + at}`)
