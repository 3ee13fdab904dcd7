// Random numbers from a seed, so that what a test found can be found again.

export type Random = (below: number) => number

/** mulberry32: small, seeded, good enough to choose bytes. Whole numbers from 0 to just below what is asked for. */
export function randomFrom(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
