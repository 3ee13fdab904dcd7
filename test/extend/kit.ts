// A hub with extensions, and what they heard.
import type { TestContext } from 'node:test'
import type { Clock } from '../../hub/clock.ts'
import { type Extension, type ExtensionHub, extension } from '../../hub/extend/extension.ts'
import type { InProcessHub } from '../kit/hub.ts'
import { startHub } from '../kit/hub.ts'
import { LogLines, within } from '../kit/log.ts'

export interface ExtendedHub extends InProcessHub {
  readonly lines: LogLines
  /** What `GET /v1/extensions` says of one handler. */
  handler(what: string): Promise<Readonly<Record<string, number>>>
}

export async function hubWith(t: TestContext, extensions: readonly Extension[], clock?: Clock): Promise<ExtendedHub> {
  const lines = new LogLines()
  const hub = await startHub(t, {}, clock, { log: lines.log, extensions })
  return {
    ...hub,
    lines,
    async handler(what) {
      const { extensions: all } = (await hub.get('/v1/extensions')) as { extensions: { handlers: { what: string }[] }[] }
      const found = all.flatMap(({ handlers }) => handlers).find((one) => one.what === what)
      if (found === undefined) throw new Error(`no handler ${what}`)
      return found as unknown as Record<string, number>
    },
  }
}

/** One extension called `mine`. */
export function mine(setUp: (hub: ExtensionHub) => void | Promise<void>): Extension {
  return extension('mine', setUp)
}

/** Things that come, waited for one by one. */
export class Inbox<T> {
  readonly all: T[] = []
  #told: () => void = () => {}

  readonly push = (one: T): void => {
    this.all.push(one)
    this.#told()
  }

  async until(count: number): Promise<readonly T[]> {
    await within(`${count} to come; there are ${this.all.length}`, async () => {
      while (this.all.length < count) await new Promise<void>((resolve) => (this.#told = resolve))
    })
    return this.all
  }
}

/** A promise that the test settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/** Asks until it is so: what is asked has no event of its own. */
export async function eventually(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  await within(what, async () => {
    while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve))
  })
}
