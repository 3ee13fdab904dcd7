// The palette and the languages, in a real browser.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchOf } from '../../dashboard/src/fuzzy.ts'
import { commandsWords } from '../../dashboard/src/words/commands.ts'
import { german as germanCommands } from '../../dashboard/src/words/de/commands.ts'
import { german as germanMessages } from '../../dashboard/src/words/de/messages.ts'
import { german as germanPalette } from '../../dashboard/src/words/de/palette.ts'
import { german as germanTwin } from '../../dashboard/src/words/de/twin.ts'
import { german as germanWords } from '../../dashboard/src/words/de/words.ts'
import { messagesWords } from '../../dashboard/src/words/messages.ts'
import { paletteWords } from '../../dashboard/src/words/palette.ts'
import { twinWords } from '../../dashboard/src/words/twin.ts'
import { words } from '../../dashboard/src/words.ts'
import { firstAdmin } from '../kit/browser-like.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { logIn, openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const line = '.palette input'
const elsewhere = { allowAnonymous: 'nobody' } as const

async function fleet(hub: TestHub, ...ids: string[]): Promise<void> {
  for (const id of ids) await hub.post(`/v1/devices/${id}/telemetry`, { pressure: 1234.5 })
}

test('a name answers to its letters in order, best where a word begins', () => {
  const best = (typed: string, ...names: string[]) =>
    names
      .map((name) => ({ name, match: matchOf(name, typed) }))
      .filter(({ match }) => match !== null)
      .sort((a, b) => b.match!.score - a.match!.score)
      .map(({ name }) => name)
  assert.deepEqual(best('pump', 'old-pump', 'xpump', 'pump-7', 'p-u-m-p', 'valve'), ['pump-7', 'old-pump', 'xpump', 'p-u-m-p'])
  assert.deepEqual(best('7 pump', 'pump-7', 'pump-8'), ['pump-7'])
  assert.deepEqual(matchOf('north-pump-7', 'np7')?.letters, [0, 6, 11])
  assert.deepEqual(matchOf('old-pump', 'PU')?.letters, [4, 5])
  assert.equal(matchOf('pump-7', 'pm7p'), null)
})

test('the palette opens by keys, finds a device, and gives the keyboard back', async (t) => {
  const hub = await startHub(t)
  await fleet(hub, 'pump-7', 'pump-8', 'north-boiler-12')
  const { page, complaints } = await openPage(t, `${hub.url}/devices`)
  await page.getByRole('row', { name: 'pump-8' }).waitFor()
  const filter = page.locator('main input[type=search]')
  await filter.focus()
  await page.keyboard.press('Control+k')
  const typed = page.getByRole('combobox', { name: 'Find a device, a page or a thing to do' })
  await typed.waitFor()
  const options = page.getByRole('listbox', { name: 'What is found' }).getByRole('option')
  assert.match((await options.allInnerTexts()).join(' '), /Overview[\s\S]*Dark theme[\s\S]*pump-8/, 'pages, things to do, devices')

  await page.keyboard.press('Escape')
  await typed.waitFor({ state: 'detached' })
  assert.equal(await filter.evaluate((element) => element === document.activeElement), true)

  await page.keyboard.press('Control+k')
  await typed.fill('nb12')
  await options.filter({ hasText: 'north-boiler-12' }).waitFor()
  assert.equal(await options.count(), 1)
  assert.deepEqual(await options.locator('mark').allInnerTexts(), ['n', 'b', '12'])
  await page.keyboard.press('Enter')
  await page.waitForURL('**/devices/north-boiler-12')
  await typed.waitFor({ state: 'detached' })

  await page.getByRole('button', { name: 'Find' }).click()
  await typed.fill('pump')
  await options.nth(1).waitFor()
  const isMeant = (name: string) =>
    page.waitForFunction((wanted) => {
      const id = document.querySelector('[role=combobox]')?.getAttribute('aria-activedescendant') ?? ''
      const option = document.getElementById(id)
      return option?.getAttribute('aria-selected') === 'true' && option.textContent?.includes(wanted)
    }, name)
  await isMeant('pump-7')
  await page.keyboard.press('ArrowDown')
  await isMeant('pump-8')
  await page.keyboard.press('ArrowDown')
  await isMeant('pump-7')
  await page.keyboard.press('ArrowUp')
  await isMeant('pump-8')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/devices/pump-8')

  await page.keyboard.press('Control+k')
  await typed.fill('zebra')
  await page.getByText('Nothing is called “zebra”.').waitFor()
  assert.equal(await options.count(), 0)
  assert.deepEqual(complaints, [])
})

test('the palette asks the hub for devices that the page does not hold', async (t) => {
  const hub = await startHub(t)
  await fleet(hub, 'pump-7')
  const { page, complaints } = await openPage(t, `${hub.url}/hub`)
  await page.getByRole('heading', { name: 'Limits' }).waitFor()
  await page.keyboard.press('Control+k')
  await page.locator(line).fill('pump')
  await page.getByRole('option', { name: 'pump-7' }).click()
  await page.waitForURL('**/devices/pump-7')

  await page.goto(`${hub.url}/hub`)
  await page.route('**/v1/devices?*', (route) => route.abort())
  await page.getByRole('heading', { name: 'Limits' }).waitFor()
  await page.keyboard.press('Control+k')
  await page.locator(line).fill('pump')
  await page.getByRole('dialog').getByText('unreachable').waitFor()
  assert.deepEqual(
    complaints.filter((one) => !one.includes('ERR_FAILED')),
    [],
  )
})

test('the palette does things: the theme, a pause, the list of keys', async (t) => {
  const hub = await startHub(t)
  await fleet(hub, 'pump-7')
  const { page } = await openPage(t, `${hub.url}/messages`)
  const act = async (typed: string) => {
    await page.keyboard.press('Control+k')
    await page.locator(line).fill(typed)
    await page.locator('.palette [role=option]').first().waitFor()
    await page.keyboard.press('Enter')
    await page.locator(line).waitFor({ state: 'detached' })
  }
  await page.getByRole('button', { name: 'Pause' }).waitFor()
  await act('pause')
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  await act('light theme')
  await page.waitForFunction(() => document.documentElement.dataset['theme'] === 'light')
  await page.keyboard.press('Control+k')
  await page.locator(line).fill('light theme')
  await page.getByText('Nothing is called “light theme”.').waitFor()
  await page.keyboard.press('Escape')
  await page.locator(line).waitFor({ state: 'detached' })
  await act('show the keys')
  await page.getByRole('dialog').getByText('Filter the devices').waitFor()
})

test('a user logs out by the palette', async (t) => {
  const hub = await startHub(t, elsewhere)
  await firstAdmin(hub)
  const { page } = await openPage(t, hub.url)
  await logIn(page, 'ada')
  await page.getByRole('link', { name: /^ada admin/ }).waitFor()
  await page.keyboard.press('Control+k')
  await page.locator(line).fill('log out')
  await page.getByRole('option', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.keyboard.press('Control+k')
  assert.equal(await page.locator(line).count(), 0, 'who is out finds nothing')
})

test('a German browser is spoken to in German, numbers and times too, until another language is chosen', async (t) => {
  const hub = await startHub(t)
  await fleet(hub, 'pump-7')
  const { page, complaints } = await openPage(t, `${hub.url}/devices`, { locale: 'de-AT' })
  await page.getByRole('heading', { name: 'Geräte', level: 1 }).waitFor()
  const row = page.getByRole('row', { name: 'pump-7' })
  await row.getByText('1\u202f234,5', { exact: true }).waitFor()
  await row
    .getByText(/^(jetzt|vor \d+ s)$/)
    .filter({ visible: true })
    .first()
    .waitFor()
  assert.equal(await page.title(), 'Geräte · Mooring')
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de')

  // Parts that hold a piece of their catalogue from the moment they are fetched.
  for (const [path, says] of [
    ['/devices/pump-7', 'Verbindung, letzte 24 h'],
    ['/messages', 'Topic-Filter'],
    ['/commands', 'Noch hat kein Gerät einen Befehl bekommen'],
    ['/hub', 'Keine Zustellung wurde verworfen.'],
  ] as const) {
    await page.goto(hub.url + path)
    await page.getByText(says).or(page.getByLabel(says)).first().waitFor()
  }

  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Sprache: Deutsch' }).click()])
  await page.getByText('No delivery has been dropped.').waitFor()
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en')
  await page.reload()
  await page.getByText('No delivery has been dropped.').waitFor()

  await page.keyboard.press('Control+k')
  await page.locator(line).fill('deutsch')
  await page.getByRole('option', { name: 'Language: Deutsch' }).waitFor()
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')])
  await page.getByText('Keine Zustellung wurde verworfen.').waitFor()
  assert.deepEqual(complaints, [])
})

test('who reads English fetches no other language, and of two wanted ones the first that is there is taken', async (t) => {
  const hub = await startHub(t)
  const { page } = await openPage(t, hub.url, { locale: 'fr' })
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
  const fetched = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
  assert.ok(fetched.some((name) => name.includes('/assets/main-')))
  assert.deepEqual(
    fetched.filter((name) => /catalogues|palette/.test(name)),
    [],
  )
})

test('every sentence has its German one', () => {
  const missing = (english: object, german: object, path: string): string[] =>
    [...new Set([...Object.keys(english), ...Object.keys(german)])].flatMap((name) => {
      const [one, other] = [english, german].map((words) => (words as Record<string, unknown>)[name])
      const here = `${path}.${name}`
      if (typeof one !== typeof other) return [here]
      if (typeof one === 'object') return missing(one as object, other as object, here)
      return typeof one === 'function' && one.length < (other as () => string).length ? [here] : []
    })
  for (const [english, german, name] of [
    [words, germanWords, 'words'],
    [messagesWords, germanMessages, 'messages'],
    [commandsWords, germanCommands, 'commands'],
    [twinWords, germanTwin, 'twin'],
    [paletteWords, germanPalette, 'palette'],
  ] as const)
    assert.deepEqual(missing(english, german, name), [])
  assert.deepEqual(missing({ a: { b: 'x', c: 'y' } }, { a: { b: 'x' } }, 'one'), ['one.a.c'])
})

test('the palette and the German pages, wide and narrow, light and dark', async (t) => {
  const hub = await startHub(t)
  for (let i = 1; i <= 30; i++) await hub.post(`/v1/devices/pump-${i}/telemetry`, { pressure: 3 + i / 100, rpm: 1_400 + i })
  await hub.post('/v1/devices/pump-7/commands', { name: 'stop', params: { gently: true } })
  await inEveryLook(t, hub.url, async ({ page, complaints, photograph }) => {
    await page.goto(`${hub.url}/devices`)
    await page.locator('.devices tbody a').first().waitFor()
    await page.keyboard.press('Control+k')
    await page.locator('.palette [role=option]').first().waitFor()
    await photograph('palette')
    await page.locator(line).fill('p7')
    await page.locator('.palette mark').first().waitFor()
    await photograph('palette-found')
    await page.evaluate(() => localStorage.setItem('mooring.language', 'de'))
    for (const [name, path, says] of [
      ['overview', '/', 'Braucht Aufmerksamkeit'],
      ['devices', '/devices?open=pump-7', 'Neueste Werte'],
      ['device', '/devices/pump-7', 'Zwilling'],
      ['messages', '/messages', 'Nachrichten'],
      ['commands', '/commands', 'Wartet'],
      ['hub', '/hub', 'Grenzen'],
      ['account', '/account', 'Konto'],
    ] as const) {
      await page.goto(hub.url + path)
      await page.locator('main').getByText(says).first().waitFor()
      await photograph(`german-${name}`)
    }
    await page.keyboard.press('Control+k')
    await page.locator('.palette [role=option]').first().waitFor()
    await photograph('german-palette')
    assert.deepEqual(complaints, [])
  })
})
