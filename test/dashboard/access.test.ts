// Who sees little, hears the page read out, or bears no motion: every page against WCAG 2.2 AA, and nothing that moves unasked.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { firstAdmin } from '../kit/browser-like.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { brokenOn } from './axe.ts'
import { logIn, openPage } from './browser.ts'

const elsewhere = { allowAnonymous: 'nobody' } as const

/** A fleet with some of everything, and an admin to look at it. */
async function furnished(t: TestContext): Promise<TestHub> {
  const hub = await startHub(t)
  for (let i = 1; i <= 12; i++) await hub.post(`/v1/devices/pump-${i}/telemetry`, { pressure: 3 + i / 100, rpm: 1_400 + i, mode: 'idle' })
  const pump = await moor(t, hub, 'pump-7', 5)
  await pump.publish('devices/pump-7/state/reported', JSON.stringify({ valve: { open: false } }), { qos: 1 })
  await pump.publish('kept/here', 'a retained text', { qos: 1, retain: true })
  await hub.post('/v1/devices/pump-7/commands', { name: 'stop', params: { gently: true } })
  await hub.post('/v1/devices/pump-8/commands', { name: 'start' })
  return hub
}

interface View {
  readonly name: string
  readonly path: string
  readonly show: (page: Page) => Promise<void>
}

const heading = (name: string) => (page: Page) => page.getByRole('heading', { name, level: 1 }).waitFor()

const views: readonly View[] = [
  { name: 'overview', path: '/', show: (page) => page.locator('.health').waitFor() },
  {
    name: 'devices with a panel and chosen rows',
    path: '/devices?open=pump-7',
    show: async (page) => {
      await page.getByRole('complementary', { name: 'Device pump-7' }).waitFor()
      await page.getByRole('checkbox', { name: 'Choose pump-1', exact: true }).check()
      await page.getByText('1 device chosen').waitFor()
    },
  },
  {
    name: 'device',
    path: '/devices/pump-7',
    show: async (page) => {
      await page.getByRole('img', { name: 'pressure, last 5 min' }).waitFor()
      await page.getByText('stop', { exact: true }).first().waitFor()
    },
  },
  {
    name: 'messages with one open',
    path: '/messages',
    show: async (page) => {
      await page.locator('.tail tbody tr:not(.space) .payload').first().click()
      await page.getByRole('button', { name: 'Compare with previous' }).waitFor()
    },
  },
  {
    name: 'commands with one open',
    path: '/commands',
    show: async (page) => {
      await page.locator('.asked tbody tr:not(.space) td.state').first().click()
      await page.getByText('Attempts', { exact: true }).waitFor()
    },
  },
  { name: 'hub', path: '/hub', show: (page) => page.getByRole('heading', { name: 'Limits' }).waitFor() },
  {
    name: 'explore',
    path: '/explore?d=pump-7&d=pump-8&m=pressure',
    show: (page) => page.getByRole('table', { name: 'Figures of pressure' }).waitFor(),
  },
  { name: 'explore with nothing chosen', path: '/explore', show: (page) => page.getByText('Look at devices together').waitFor() },
  ...['users', 'keys', 'arrivals', 'roles', 'types', 'groups', 'certificates', 'storage'].map((section) => ({
    name: `settings, ${section}`,
    path: `/settings?section=${section}`,
    show: (page: Page) => page.getByRole('heading', { level: 2 }).first().waitFor(),
  })),
  { name: 'account', path: '/account', show: heading('Account') },
  {
    name: 'palette',
    path: '/devices',
    show: async (page) => {
      await page.locator('.devices tbody a').first().waitFor()
      await page.keyboard.press('Control+k')
      await page.locator('.palette [role=option]').first().waitFor()
    },
  },
]

for (const theme of ['light', 'dark'] as const) {
  test(`no page breaks a rule of WCAG 2.2 AA, ${theme}`, async (t) => {
    const hub = await furnished(t)
    const { page } = await openPage(t, hub.url, { theme })
    const broken: string[] = []
    for (const { name, path, show } of views) {
      await page.goto(hub.url + path)
      await show(page)
      for (const line of await brokenOn(page)) broken.push(`${name}: ${line}`)
    }
    assert.equal(broken.join('\n'), '')
  })

  test(`neither does the login, nor the account of a user, ${theme}`, async (t) => {
    const hub = await startHub(t, elsewhere)
    await firstAdmin(hub)
    const { page } = await openPage(t, hub.url, { theme })
    await page.getByLabel('Name').waitFor()
    assert.deepEqual(await brokenOn(page), [])
    await logIn(page, 'ada')
    await page.getByRole('link', { name: /^ada admin/ }).click()
    await heading('Account')(page)
    assert.deepEqual(await brokenOn(page), [])
  })
}

test('the checker finds what is broken', async (t) => {
  const hub = await startHub(t)
  const { page } = await openPage(t, `${hub.url}/hub`)
  await page.getByRole('heading', { name: 'Limits' }).waitFor()
  await page.evaluate(() => document.querySelector('main')!.append(document.createElement('button')))
  assert.match((await brokenOn(page)).join('\n'), /^button-name/)
})

test('a page scrolls by its keys as soon as it is shown', async (t) => {
  const hub = await startHub(t)
  const { page } = await openPage(t, `${hub.url}/hub`)
  await page.getByRole('heading', { name: 'Limits' }).waitFor()
  await page.waitForFunction(() => document.activeElement === document.querySelector('main'))
  await page.keyboard.press('End')
  await page.waitForFunction(() => document.querySelector('main')!.scrollTop > 0)
})

/** What moves on its own; a picture that only appears later has no length. */
const moving = (page: Page) =>
  page.evaluate(() => document.getAnimations().filter((one) => Number(one.effect?.getComputedTiming().duration) > 0).length)

test('who asks for reduced motion sees nothing move, not even while the page waits', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/pump-1/telemetry', { pressure: 3 })
  for (const calm of [true, false]) {
    const { page } = await openPage(t, `${hub.url}/devices`, { calm })
    const row = page.getByRole('row', { name: 'pump-1' })
    await row.waitFor()
    let answer = () => {}
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    await page.route('**/v1/hub', async (route) => {
      await held
      await route.continue()
    })
    const asked = page.waitForRequest('**/v1/hub')
    await page.keyboard.press('g')
    await page.keyboard.press('h')
    await asked
    await page.locator('.waiting').waitFor()
    assert.equal((await moving(page)) > 0, !calm, 'the line at the top')
    answer()
    await page.getByRole('heading', { name: 'Limits' }).waitFor()
  }

  // A value that changes brightens its cell for a moment, but not here.
  const { page } = await openPage(t, `${hub.url}/devices`, { calm: true })
  const row = page.getByRole('row', { name: 'pump-1' })
  await row.waitFor()
  await page.evaluate(() => {
    const seen = { bright: 0 }
    Object.assign(window, { seen })
    new MutationObserver(() => {
      seen.bright += document.querySelectorAll('.bright').length
    }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['class'] })
  })
  await hub.post('/v1/devices/pump-1/telemetry', { pressure: 4.25 })
  await row.getByText('4.25').waitFor()
  assert.equal(await page.evaluate(() => (window as unknown as { seen: { bright: number } }).seen.bright), 0)
  assert.equal(await moving(page), 0)
})
