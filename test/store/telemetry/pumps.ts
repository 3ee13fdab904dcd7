// Two pumps in a store, and a model that takes what they send.
import type { TestContext } from 'node:test'
import type { Store } from '../../../hub/store/store.ts'
import { newFolder, openIn, stored } from '../kit.ts'
import { Model, type Sent, send } from './model.ts'

export interface Pumps {
  readonly folder: string
  readonly store: Store
  readonly model: Model
}

export async function beginPumps(t: TestContext): Promise<Pumps> {
  const folder = newFolder(t)
  const store = await openIn(t, folder, 'batched')
  for (const device of [1, 2]) store.journal.appendDevice(`pump-${device}`, device)
  return { folder, store, model: new Model() }
}

/** Resolves when they are stored. */
export async function sent(store: Store, model: Model, points: readonly Sent[]): Promise<void> {
  send(store, points)
  model.take(points)
  await stored(store)
}
