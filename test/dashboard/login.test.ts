// People in a real browser: the set-up link, the login, what a role is offered, and the way out. "Elsewhere" is a hub that lets nobody in.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstAdmin, newUser, password } from '../kit/browser-like.ts'
import { startHub } from '../kit/hub.ts'
import { contrastOf, logIn, openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const elsewhere = { allowAnonymous: 'nobody' } as const

/** A browser says of each 401 that it is one: what is meant here is what else it says. */
const others = (complaints: readonly string[]) =>
  complaints.filter((one) => !/status of 40[13]/.test(one) && !/WebSocket connection/.test(one))

test('the link that the hub prints leads to a page that makes the first admin, once', async (t) => {
  const hub = await startHub(t, elsewhere)
  const { page, complaints } = await openPage(t, hub.url)
  await page.getByRole('heading', { name: 'This hub has no user yet' }).waitFor()
  const asked: string[] = []
  page.on('request', (request) => asked.push(`${request.method()} ${request.url()} ${JSON.stringify(request.headers())}`))
  const link = `${hub.url}/setup#${hub.hub.setUpToken}`
  await page.goto(link)
  assert.equal(await page.title(), 'Set up this hub · Mooring')
  // The keyboard alone: the first field has the focus.
  await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'username')
  await page.keyboard.type('ada')
  await page.keyboard.press('Tab')
  await page.keyboard.type(password)
  await page.keyboard.press('Tab')
  await page.keyboard.type(`${password}!`)
  await page.keyboard.press('Enter')
  await page.getByRole('alert').getByText('The two passwords differ.').waitFor()
  await page.keyboard.type(password) // what was wrong is selected
  await page.keyboard.press('Enter')
  await page.waitForURL(`${hub.url}/`)
  await page.getByText('Waiting for the first message').waitFor()
  await page.locator('.rail').getByText('ada admin').waitFor()
  await page.locator('.paste code').filter({ hasText: 'npx mooring credentials create boiler-1' }).waitFor()
  assert.ok(!asked.join('\n').includes(hub.hub.setUpToken as string), 'the token is in no address and no field of a request')
  assert.deepEqual(others(complaints), [])

  await page.goto('about:blank')
  await page.goto(link)
  await logIn(page, 'eve')
  await page.getByLabel('Password again').fill(password)
  await page.keyboard.press('Enter')
  await page.getByRole('alert').getByText('The set-up link is not right, too old or used').waitFor()
  await page.goto(`${hub.url}/setup`)
  await page.getByRole('alert').getByText('the part behind # is missing').waitFor()
})

test('who logs in is back where he was; a wrong password is told in a sentence, and typed again', async (t) => {
  const hub = await startHub(t, elsewhere)
  const ada = await firstAdmin(hub)
  await newUser(ada, 'val', 'viewer')
  await ada.ask('POST', '/v1/devices/pump-7/telemetry', { pressure: 3.25 })
  const { page, complaints } = await openPage(t, `${hub.url}/devices/pump-7?range=1h`)
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  assert.equal(await page.title(), 'Log in · Mooring')
  assert.equal(await page.locator('.rail').count(), 0)
  await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'username')
  await logIn(page, 'val', 'wrong wrong wrong')
  await page.getByRole('alert').getByText('That name and password do not go together.').waitFor()
  await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'password')
  assert.equal(await page.getByLabel('Name').inputValue(), 'val')
  assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '')
  await page.keyboard.type(password)
  await page.keyboard.press('Enter')
  await page.locator('.figures').getByText('3.25').waitFor()
  assert.equal(page.url(), `${hub.url}/devices/pump-7?range=1h`)
  await page.locator('.rail').getByText('val viewer').waitFor()
  await page.locator('.rail').getByText('Live', { exact: true }).waitFor()
  await ada.ask('POST', '/v1/devices/pump-7/telemetry', { pressure: 4.5 })
  await page.locator('.figures').getByText('4.5', { exact: true }).waitFor()
  await page.reload()
  await page.locator('.figures').getByText('4.5', { exact: true }).waitFor()
  assert.deepEqual(others(complaints), [])
})

test('logging out closes the page, and so does the hub when it knows the login no more', async (t) => {
  const hub = await startHub(t, elsewhere)
  const ada = await firstAdmin(hub)
  await newUser(ada, 'val', 'viewer')
  await ada.ask('POST', '/v1/devices/pump-7/telemetry', { pressure: 3.25 })
  const { page, complaints } = await openPage(t, `${hub.url}/hub`)
  await logIn(page, 'val')
  await page.getByRole('heading', { name: 'Hub', level: 1 }).waitFor()
  await page.locator('.rail').getByText('Live', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  assert.deepEqual(await page.context().cookies(), [])
  await logIn(page, 'val')
  await page.locator('.rail').getByText('Live', { exact: true }).waitFor()
  await ada.ask('PATCH', '/v1/users/val', { disabled: true })
  await page.getByRole('status').getByText('The login has ended').waitFor()
  assert.equal(await page.locator('.rail').count(), 0)
  assert.equal(page.url(), `${hub.url}/hub`)
  await ada.ask('PATCH', '/v1/users/val', { disabled: false })
  await logIn(page, 'val')
  await page.getByRole('heading', { name: 'Hub', level: 1 }).waitFor()
  assert.deepEqual(others(complaints), [])
})

test('what a role may not read is not offered; where nobody logs in there is nobody to log out', async (t) => {
  const [hub, open] = await Promise.all([startHub(t, elsewhere), startHub(t)])
  const ada = await firstAdmin(hub)
  const rules = [{ effect: 'allow', actions: ['subscribe'], filter: 'devices/#' }]
  const made = await ada.ask('PUT', '/v1/roles/floor', rules)
  assert.equal(made.status, 200)
  await newUser(ada, 'val', 'floor')
  const { page } = await openPage(t, hub.url)
  await logIn(page, 'val')
  await page.getByText('An admin of this hub makes them.').waitFor()
  const nav = page.getByRole('navigation', { name: 'Pages' })
  await nav.getByRole('link', { name: 'Devices' }).waitFor()
  assert.equal(await nav.getByRole('link', { name: 'Hub' }).count(), 0)
  const { page: here, complaints } = await openPage(t, open.url)
  await here.getByText('Waiting for the first message').waitFor()
  assert.equal(await here.getByRole('button', { name: 'Log out' }).count(), 0)
  assert.equal(await here.locator('.paste').filter({ hasText: 'credentials' }).count(), 0)
  assert.deepEqual(complaints, [])
})

test('login and set-up in both themes, wide and narrow: labels, contrast, no sideways scroll', async (t) => {
  const hub = await startHub(t, elsewhere)
  const token = hub.hub.setUpToken as string
  const ada = await firstAdmin(hub)
  await ada.ask('POST', '/v1/devices/pump-7/telemetry', { pressure: 3.25 })
  await inEveryLook(t, `${hub.url}/devices`, async ({ page, theme, photograph }) => {
    await logIn(page, 'ada', 'wrong wrong wrong')
    await page.getByRole('alert').getByText(/./).waitFor()
    await photograph('login')
    assert.ok((await contrastOf(page, 'button[type=submit]')) >= 4.5, `${theme} button`)
    assert.ok((await contrastOf(page, '.ask .problem')) >= 4.5, `${theme} problem`)
    await logIn(page, 'ada')
    await page.locator('table.devices').waitFor()
    await photograph('logged-in')
    assert.equal(await page.getByRole('button', { name: 'Log out' }).count(), 1)
    await page.goto(`${hub.url}/setup#${token}`)
    await page.getByLabel('Password again').waitFor()
    await photograph('setup')
  })
})
