// The page of the hub: who waits, what is stored, who is shut out, who did what; in a real browser against a real hub.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { firstAdmin, newUser } from '../kit/browser-like.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { logIn, openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } } as const

/** Two clients that are away and owed something, one that is there, one address that has guessed too often. */
async function busyHub(t: TestContext) {
  const hub = await startHub(t, { trustedProxy: ['127.0.0.1'] })
  for (const [name, filters] of [
    ['archive', ['orders/#']],
    ['reports', ['orders/#', 'extra/#']],
  ] as const) {
    const client = await moor(t, hub, name, 5, lasting)
    for (const filter of filters) await client.subscribe(filter, { qos: 1 })
    await client.leave()
  }
  await hub.post('/v1/devices/pump-7/telemetry', { t: 20 })
  const pump = await moor(t, hub, 'pump-7', 5)
  await pump.publish('orders/1', 'x'.repeat(400), { qos: 1 })
  await pump.publish('extra/1', 'x'.repeat(400), { qos: 1 })
  return { hub, pump }
}

test('sessions stand with the longest queue first, and one is kicked after its name is typed', async (t) => {
  const { hub, pump } = await busyHub(t)
  const { page, complaints } = await openPage(t, `${hub.url}/hub`)
  const sessions = page.getByRole('region', { name: 'Sessions' })
  const rows = sessions.locator('tbody tr')
  await rows.nth(2).waitFor()
  assert.deepEqual(await rows.locator('th code').allInnerTexts(), ['reports', 'archive', 'pump-7'])
  assert.match(await rows.nth(0).innerText(), /Away, kept for \d+ min/)
  assert.match(await rows.nth(2).innerText(), /Connected for .*MQTT over TCP/s)
  await page.getByText('Connected by').locator('..').getByText('MQTT over TCP 1').waitFor()
  assert.equal(await rows.nth(0).getByRole('button').count(), 0, 'who is away has no connection to close')

  await sessions.getByRole('button', { name: 'Kick pump-7' }).click()
  const dialog = page.getByRole('dialog', { name: 'Close the connection of pump-7?' })
  const submit = dialog.getByRole('button', { name: 'Close the connection' })
  assert.equal(await submit.isDisabled(), true)
  await dialog.getByRole('textbox').fill('pump-7')
  await submit.click()
  assert.equal((await pump.next('disconnect')).reasonCode, 0x98)
  await page.waitForFunction(() => document.querySelectorAll('.sessions tbody tr').length === 2)
  await page.getByText('Nobody is connected.').waitFor()

  await moor(t, hub, 'late-comer', 5)
  await sessions.getByText('late-comer').waitFor() // without a reload
  assert.deepEqual(complaints, [])
})

test('the audit log is filtered by the address of the page, goes on with older entries, and leaves as a file', async (t) => {
  const hub = await startHub(t, { allowAnonymous: 'nobody' })
  const ada = await firstAdmin(hub)
  for (let made = 0; made < 104; made++) await ada.ask('POST', '/v1/devices', { id: `pump-${made}` })
  await newUser(ada, 'val', 'viewer')
  const { page } = await openPage(t, `${hub.url}/hub`)
  await logIn(page, 'ada')
  const audit = page.getByRole('region', { name: 'Audit' })
  const rows = audit.locator('tbody tr')
  await rows.nth(99).waitFor()
  assert.match(await rows.nth(0).innerText(), /user\/ada\s+login/)
  assert.equal(await rows.count(), 100)
  await audit.getByRole('button', { name: 'Show older' }).click()
  await audit.getByText('device/pump-0', { exact: true }).waitFor()
  await audit.getByRole('button', { name: 'Show older' }).waitFor({ state: 'detached' })

  await audit.getByLabel('Action').fill('user.create')
  await audit.getByLabel('Action').press('Enter')
  await page.waitForFunction(() => document.querySelectorAll('.audit tbody tr').length === 1)
  assert.equal(new URL(page.url()).searchParams.get('action'), 'user.create')
  const downloading = page.waitForEvent('download')
  await audit.getByRole('link', { name: 'Export CSV' }).click()
  const file = await (await downloading).createReadStream()
  let text = ''
  for await (const piece of file) text += piece
  assert.deepEqual(
    text
      .trim()
      .split(/\r\n/)
      .map((line) => line.split(',')[4]),
    ['action', 'user.create'],
  )

  await newUser(ada, 'eve', 'viewer')
  await rows.nth(1).waitFor() // of itself
  assert.match(await rows.nth(0).innerText(), /user\/eve/)
  await audit.getByLabel('Who').fill('user/nobody')
  await audit.getByLabel('Who').press('Enter')
  await audit.getByText('No entry matches.').waitFor()
  await audit.getByRole('button', { name: 'Clear' }).click()
  await rows.nth(99).waitFor()
})

test('what is stored is told tier by tier; who only sees the hub is offered neither a kick nor the audit log', async (t) => {
  const hub = await startHub(t, { allowAnonymous: 'nobody', diskBudgetBytes: 4 * 1024 ** 3 })
  const ada = await firstAdmin(hub)
  await newUser(ada, 'val', 'viewer')
  const { page } = await openPage(t, `${hub.url}/hub`)
  await logIn(page, 'val')
  const storage = page.getByRole('region', { name: 'Storage' })
  await storage.getByText('of 4 GiB').waitFor()
  await storage.getByRole('img', { name: /^Disk budget in use: [\d.]+ %$/ }).waitFor()
  assert.deepEqual(await storage.locator('tbody th').allInnerTexts(), ['Points', 'Minutes', 'Hours', 'Days', 'Not packed yet', 'Journal'])
  await page.getByRole('region', { name: 'Extensions' }).getByText('No extension runs here.').waitFor()
  await page.getByRole('region', { name: 'Limits' }).waitFor()
  for (const name of ['Audit', 'Addresses shut out']) assert.equal(await page.getByRole('region', { name }).count(), 0, name)
  assert.equal(await page.getByRole('button', { name: /^Kick/ }).count(), 0)
  assert.equal(await page.getByRole('link', { name: 'Settings' }).count(), 0)
})

test('the page of the hub in every look, with an address that is shut out and let in again', async (t) => {
  const { hub } = await busyHub(t)
  const from = '203.0.113.9'
  for (let tried = 0; tried <= limits.failuresPerAddress; tried++) {
    const token = `mrg_${randomBytes(32).toString('base64url')}`
    await fetch(`${hub.url}/v1/me`, { headers: { 'x-forwarded-for': from, authorization: `Bearer ${token}` } })
  }
  assert.equal(await isBanned(hub, from), true)
  await inEveryLook(t, `${hub.url}/hub`, async ({ page, complaints, photograph }) => {
    await page.locator('.sessions tbody tr').nth(1).waitFor()
    await page.locator('.tiers tbody tr').nth(5).waitFor()
    await page.getByText('No extension runs here.').waitFor()
    await page
      .getByRole('row', { name: new RegExp(from) })
      .first()
      .waitFor()
    await page.waitForFunction(() => (document.querySelector('.hub-page .spark path')?.getAttribute('d') ?? '').includes('L'))
    await photograph('hub-whole')
    await page.getByRole('button', { name: 'Kick pump-7' }).click()
    await page.getByRole('dialog').waitFor()
    await photograph('hub-kick')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    for (const name of ['Storage', 'Audit', 'Limits']) {
      await page.getByRole('navigation', { name: 'Sections of this page' }).getByRole('button', { name, exact: true }).click()
      await photograph(`hub-at-${name.toLowerCase()}`)
    }
    assert.deepEqual(complaints, [])
  })

  const { page } = await openPage(t, `${hub.url}/hub`)
  await page.getByRole('button', { name: `Let ${from} in again` }).click()
  await page.getByText('No address is shut out.').waitFor()
  assert.equal(await isBanned(hub, from), false)
})

async function isBanned(hub: TestHub, address: string): Promise<boolean> {
  const { bans } = (await hub.get('/v1/bans')) as { bans: readonly { address: string }[] }
  return bans.some((ban) => ban.address === address)
}
