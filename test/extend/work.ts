// What tests have done by a thread.
import { isMainThread } from 'node:worker_threads'

export function where(n: number): { isMainThread: boolean; twice: number } {
  return { isMainThread, twice: 2 * n }
}

export async function fails(): Promise<never> {
  throw new Error('no such number')
}

export function forEver(): never {
  for (;;);
}

export function fills(): number {
  const all: number[][] = []
  for (;;) all.push(Array.from({ length: 1_000_000 }, (_, at) => at + all.length))
}
