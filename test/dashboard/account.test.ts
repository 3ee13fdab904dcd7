// The account of who is logged in, in a real browser: another password, a second factor on, asked for and off, out of every browser.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { codeAt, wrongCode } from '../kit/authenticator.ts'
import { BrowserLike, firstAdmin, newUser, password } from '../kit/browser-like.ts'
import { startHub } from '../kit/hub.ts'
import { contrastOf, logIn, openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const elsewhere = { allowAnonymous: 'nobody' } as const
/** A browser says of each 401 that it is one: what is meant here is what else it says. */
const others = (complaints: readonly string[]) => complaints.filter((one) => !/status of 40[01]|WebSocket connection/.test(one))

/** The page begins anew then. Its login may be seen before: the hub has closed the live view. */
async function leave(page: Page, name: string): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name, exact: true }).click()])
}

async function accountOf(t: TestContext) {
  const hub = await startHub(t, elsewhere)
  const ada = await firstAdmin(hub)
  const val = await newUser(ada, 'val', 'viewer')
  const opened = await openPage(t, hub.url)
  await logIn(opened.page, 'val')
  await opened.page.getByRole('link', { name: 'val viewer' }).click()
  await opened.page.getByRole('heading', { name: 'Account', level: 1 }).waitFor()
  return { ...opened, hub, ada, val, section: (name: string) => opened.page.getByRole('region', { name }) }
}

test('a second factor is turned on with what a phone reads, asked for at the next login, and turned off', async (t) => {
  const { page, complaints, hub, section } = await accountOf(t)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  assert.equal(await page.title(), 'Account · Mooring')
  const factor = section('Second factor')
  await factor.getByText('Off', { exact: true }).waitFor()
  await factor.getByLabel('Password').fill('wrong wrong wrong')
  await page.keyboard.press('Enter')
  await factor.getByRole('alert').getByText('That is not your password.').waitFor()
  await page.keyboard.type(password) // its field is empty again, and has the keyboard
  await page.keyboard.press('Enter')
  const image = factor.getByRole('img', { name: 'QR code for an authenticator app' })
  await image.waitFor()
  const modules = await image.evaluate((element: HTMLImageElement) => element.decode().then(() => element.naturalWidth))
  assert.ok(modules > 0, 'the policy of the page lets it be seen')
  const secret = ((await factor.locator('.secret code').textContent()) as string).replaceAll(' ', '')
  await factor.getByRole('button', { name: 'Copy: Secret' }).click()
  await factor.getByText('Copied').waitFor()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret)
  const code = factor.getByLabel('Code')
  assert.deepEqual([await code.getAttribute('autocomplete'), await code.getAttribute('inputmode')], ['one-time-code', 'numeric'])
  await code.fill(wrongCode(secret, Date.now()))
  await page.keyboard.press('Enter')
  await factor.getByRole('alert').getByText('That code is not right').waitFor()
  await page.keyboard.type(codeAt(secret, Date.now()))
  await page.keyboard.press('Enter')
  await factor.getByText('Keep these recovery codes').waitFor()
  const recovery = await factor.locator('.codes code').allTextContents()
  assert.equal(recovery.length, 10)
  await factor.getByRole('button', { name: 'Copy: Recovery codes' }).click()
  await factor.getByText('Copied').waitFor()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${recovery.join('\n')}\n`)
  const downloading = page.waitForEvent('download')
  await factor.getByRole('link', { name: 'Download' }).click()
  const download = await downloading
  assert.equal(download.suggestedFilename(), 'mooring-recovery-codes.txt')
  assert.equal(await readFile(await download.path(), 'utf8'), `${recovery.join('\n')}\n`)
  await factor.getByRole('button', { name: 'I have kept them' }).click()
  await factor.getByText('10 recovery codes are left.').waitFor()
  const content = await page.content()
  assert.ok(!content.includes(recovery[0] as string) && !content.includes(secret), 'shown once')

  // The way back in, by the keyboard alone.
  await leave(page, 'Log out')
  await logIn(page, 'val')
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'code')
  const asked = page.getByLabel('Code')
  assert.deepEqual([await asked.getAttribute('autocomplete'), await asked.getAttribute('inputmode')], ['one-time-code', 'numeric'])
  await page.keyboard.type(wrongCode(secret, Date.now()))
  await page.keyboard.press('Enter')
  await page.getByRole('alert').getByText('That code is not right').waitFor()
  assert.equal(await asked.inputValue(), '')
  await page.keyboard.type(codeAt(secret, Date.now(), 1))
  await page.keyboard.press('Enter')
  await section('Second factor').waitFor()
  assert.equal(page.url(), `${hub.url}/account`, 'he is back where he was')

  await leave(page, 'Log out')
  await logIn(page, 'val')
  await page.getByRole('button', { name: 'Log in as somebody else' }).click()
  await logIn(page, 'val')
  await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'code')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter') // Use a recovery code
  await page.waitForFunction(() => document.activeElement?.getAttribute('autocomplete') === 'off')
  await page.getByLabel('Recovery code', { exact: true }).waitFor()
  await page.keyboard.type(recovery[0] as string)
  await page.keyboard.press('Enter')
  await factor.getByText('9 recovery codes are left.').waitFor()
  await factor.getByLabel('Password').fill(password)
  await factor.getByRole('button', { name: 'Use a recovery code' }).click()
  await factor.getByLabel('Recovery code', { exact: true }).fill(recovery[1] as string)
  await page.keyboard.press('Enter')
  await factor.getByText('Off', { exact: true }).waitFor()
  assert.equal((await new BrowserLike(hub.url).logIn('val')).status, 200)
  assert.deepEqual(others(complaints), [])
})

test('another password ends the logins elsewhere; logging out everywhere ends this one, too', async (t) => {
  const { page, complaints, hub, val, section } = await accountOf(t)
  const form = section('Password')
  const fill = async (now: string, next: string, again = next) => {
    await form.getByLabel('Password now').fill(now)
    await form.getByLabel('New password').fill(next)
    await form.getByLabel('Password again').fill(again)
    await page.keyboard.press('Enter')
  }
  await fill(password, 'ten brown bottles', 'ten brown bottle')
  await form.getByRole('alert').getByText('The two passwords differ.').waitFor()
  await fill(password, 'short')
  await form.getByRole('alert').getByText('at least 12 characters').waitFor()
  await fill('wrong wrong wrong', 'ten brown bottles')
  await form.getByRole('alert').getByText('That is not your password.').waitFor()
  await fill(password, 'ten brown bottles')
  await form.getByRole('status').getByText('The password is changed').waitFor()
  assert.equal(await form.getByLabel('New password').inputValue(), '')
  assert.equal((await val.ask('GET', '/v1/me')).status, 401)
  assert.equal((await val.logIn('val', 'ten brown bottles')).status, 200)
  await leave(page, 'Log out everywhere')
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  assert.equal((await val.ask('GET', '/v1/me')).status, 401)
  await logIn(page, 'val', 'ten brown bottles')
  await page.getByRole('heading', { name: 'Account' }).waitFor()
  await page.goto(`${hub.url}/hub`)
  await page.getByRole('heading', { name: 'Hub', level: 1 }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('a')
  await page.getByRole('heading', { name: 'Account' }).waitFor()
  assert.deepEqual(others(complaints), [])
})

test('where the hub lets in by address there is no account, and nobody to log out', async (t) => {
  const hub = await startHub(t)
  const { page, complaints } = await openPage(t, `${hub.url}/account`)
  await page.getByText('Nobody is logged in here').waitFor()
  assert.equal(await page.locator('.rail .who').count(), 0)
  assert.equal(await page.getByRole('button', { name: 'Log out' }).count(), 0)
  assert.deepEqual(complaints, [])
})

test('the account in both themes, wide and narrow: labels, contrast, no sideways scroll', async (t) => {
  const hub = await startHub(t, elsewhere)
  const ada = await firstAdmin(hub)
  await inEveryLook(t, `${hub.url}/account`, async ({ page, theme, width, photograph }) => {
    const name = `val-${theme}-${width}`
    await newUser(ada, name, 'viewer')
    const look = async (what: string) => {
      await photograph(what)
      assert.deepEqual(await page.$$eval('input:not([hidden])', (all) => all.filter((one) => one.closest('label') === null).length), 0)
    }
    await logIn(page, name)
    await page.getByRole('heading', { name: 'Account' }).waitFor()
    await look('account')
    const section = page.getByRole('region', { name: 'Second factor' })
    await section.getByLabel('Password').fill(password)
    await page.keyboard.press('Enter')
    await section.getByRole('img').waitFor()
    await look('second-factor')
    const secret = ((await section.locator('.secret code').textContent()) as string).replaceAll(' ', '')
    await section.getByLabel('Code').fill(codeAt(secret, Date.now()))
    await page.keyboard.press('Enter')
    await section.getByText('Keep these recovery codes').scrollIntoViewIfNeeded()
    await look('recovery-codes')
    for (const selector of ['.account > p', '.account .state', '.codes code', '.account button.main', '.account a.button'])
      assert.ok((await contrastOf(page, selector)) >= 4.5, `${theme} ${selector}`)
    await section.getByRole('button', { name: 'I have kept them' }).click()
    await section.getByText('10 recovery codes are left.').scrollIntoViewIfNeeded()
    await look('second-factor-on')
    await leave(page, 'Log out')
    await logIn(page, name)
    await page.getByRole('heading', { name: 'One more step' }).waitFor()
    await look('login-code')
    assert.ok((await contrastOf(page, 'button.link')) >= 4.5, `${theme} link`)
  })
})
