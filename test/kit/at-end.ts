// Cleaning up after a test, the last thing first: a hub is stopped before its folder goes.
import type { TestContext } from 'node:test'

const endings = new WeakMap<object, (() => unknown)[]>()

/** What was begun last ends first. (Hooks of the test runner run in the order they were given.) */
export function atEnd(t: Pick<TestContext, 'after'>, end: () => unknown): void {
  const before = endings.get(t)
  if (before !== undefined) {
    before.unshift(end)
    return
  }
  const all = [end]
  endings.set(t, all)
  t.after(async () => {
    for (const each of all) await each()
  })
}
