// The looks in which pages are opened, used and photographed: both themes, wide and narrow.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { openPage, sidewaysOf } from './browser.ts'

export interface InLook {
  readonly page: Page
  readonly complaints: readonly string[]
  readonly theme: 'light' | 'dark'
  readonly width: number
  /** A picture under this name; nothing may be wider than the screen. */
  photograph(name: string): Promise<void>
}

const sizes = [
  [1440, 900],
  [390, 844],
] as const

export async function inEveryLook(t: TestContext, url: string, use: (seen: InLook) => Promise<void>): Promise<void> {
  const folder = join(tmpdir(), 'mooring-screenshots')
  mkdirSync(folder, { recursive: true })
  for (const theme of ['light', 'dark'] as const) {
    for (const [width, height] of sizes) {
      const { page, complaints } = await openPage(t, url, { width, height, theme })
      const photograph = async (name: string) => {
        await page.screenshot({ path: join(folder, `${name}-${width}-${theme}.png`) })
        assert.equal(await sidewaysOf(page), 0, `${name} at ${width} px`)
      }
      await use({ page, complaints, theme, width, photograph })
    }
  }
  t.diagnostic(`screenshots are in ${folder}`)
}
