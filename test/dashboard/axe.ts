// axe, the checker of WCAG rules, inside a page. It is read as a file: a policy of `default-src 'self'` lets no other script in.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

/**
 * Two findings are meant as they are. `main` is given the keyboard whenever a page is shown, so it scrolls (`access.test.ts` presses the
 * key), and Tab shall not stop at it. A branch of the tree of topics tells its figures in a sentence; the link in it is called as it looks.
 */
const isMeant = (rule: string, html: string) =>
  (rule === 'scrollable-region-focusable' && html.startsWith('<main')) ||
  (rule === 'label-content-name-mismatch' && html.includes('role="treeitem"'))

/** What breaks WCAG 2.2 AA on the page as it stands: a line per rule and element. */
export async function brokenOn(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(source)
  const { violations } = await page.evaluate(
    (values) =>
      (window as unknown as { axe: { run(where: Document, how: object): Promise<AxeResults> } }).axe.run(document, {
        runOnly: { type: 'tag', values },
        resultTypes: ['violations'],
      }),
    tags,
  )
  return violations.flatMap(({ id, help, nodes }) =>
    nodes
      .filter(({ html }) => !isMeant(id, html))
      .map(({ target, html, failureSummary }) => `${id}: ${help} · ${target.join(' ')} · ${html.slice(0, 120)} · ${failureSummary}`),
  )
}
