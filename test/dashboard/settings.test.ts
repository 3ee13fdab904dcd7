// The settings, in a real browser against a real hub: who may come in, what he may do, what devices have in common.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { BrowserLike, firstAdmin, newUser } from '../kit/browser-like.ts'
import { startHub } from '../kit/hub.ts'
import { logIn, openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const secret = 'ten brown bottles'

async function settingsOf(t: TestContext, section: string) {
  const hub = await startHub(t, { allowAnonymous: 'nobody', allowClaims: true })
  const ada = await firstAdmin(hub)
  const opened = await openPage(t, `${hub.url}/settings?section=${section}`)
  await logIn(opened.page, 'ada')
  await opened.page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor()
  return { ...opened, hub, ada }
}

async function typeAndDo(page: Page, title: string, text: string, button: string): Promise<void> {
  const dialog = page.getByRole('dialog', { name: title })
  await dialog.getByRole('textbox').fill(text)
  await dialog.getByRole('button', { name: button }).click()
  await dialog.waitFor({ state: 'detached' })
}

test('a user is added, changed, given another password and removed', async (t) => {
  const { page, hub } = await settingsOf(t, 'users')
  const users = page.getByRole('region', { name: 'Users' })
  await users.getByText('ada', { exact: true }).waitFor()
  assert.equal(await users.getByRole('button', { name: 'Remove ada' }).count(), 0, 'nobody shuts himself out by a slip')
  await users.getByLabel('Name').fill('val')
  await users.getByRole('combobox', { name: 'Role', exact: true }).selectOption('operator')
  await users.getByLabel('New password').fill('short')
  await users.getByLabel('Password again').fill('short')
  await users.getByRole('button', { name: 'Add the user' }).click()
  await users.getByRole('alert').getByText('at least 12 characters').waitFor()
  await users.getByLabel('New password').fill(secret)
  await users.getByLabel('Password again').fill(secret)
  await users.getByRole('button', { name: 'Add the user' }).click()
  const row = users.getByRole('row', { name: /^val/ })
  await row.waitFor()
  const val = new BrowserLike(hub.url)
  assert.equal((await val.logIn('val', secret)).body['role'], 'operator')

  await row.getByLabel('Role of val').selectOption('viewer')
  await row.getByRole('button', { name: 'Disable val' }).click()
  await row.getByText('Disabled').waitFor()
  assert.equal((await val.ask('GET', '/v1/me')).status, 401)
  await row.getByRole('button', { name: 'Enable val' }).click()
  await row.getByText('Active').waitFor()

  await row.getByRole('button', { name: 'Reset the password of val' }).click()
  const dialog = page.getByRole('dialog', { name: 'Reset the password of val' })
  await dialog.getByLabel('New password').fill('nine new bottles')
  await dialog.getByLabel('Password again').fill('nine new bottles')
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  assert.equal((await val.logIn('val', 'nine new bottles')).body['role'], 'viewer')

  await row.getByRole('button', { name: 'Remove val' }).click()
  await typeAndDo(page, 'Remove the user val?', 'val', 'Remove the user')
  await row.waitFor({ state: 'detached' })
  assert.equal((await val.logIn('val', 'nine new bottles')).status, 401)
})

test('a key is made, its secret shown once, and revoked after its name is typed', async (t) => {
  const { page, hub } = await settingsOf(t, 'keys')
  const keys = page.getByRole('region', { name: 'API keys' })
  await keys.getByText('No key yet.').waitFor()
  await keys.getByLabel('Program').fill('grafana')
  await keys.getByLabel('Role').selectOption('viewer')
  await keys.getByLabel('Label').fill('the wall')
  await keys.getByLabel('Ends after days').fill('30')
  await keys.getByRole('button', { name: 'Make the key' }).click()
  const told = await keys.getByRole('status').locator('code').innerText()
  const asked = () => fetch(`${hub.url}/v1/devices`, { headers: { authorization: `Bearer ${told}` } })
  assert.equal((await asked()).status, 200)
  await keys.getByRole('button', { name: 'I have kept it' }).click()
  await keys.getByRole('status').waitFor({ state: 'detached' })
  assert.ok(!(await page.content()).includes(told))
  const row = keys.getByRole('row', { name: /grafana/ })
  assert.match(await row.innerText(), /Token\s+viewer\s+the wall/)
  await row.getByRole('button', { name: 'Revoke the key of grafana' }).click()
  await typeAndDo(page, 'Revoke this key of grafana?', 'grafana', 'Revoke the key')
  await keys.getByText('No key yet.').waitFor()
  assert.equal((await asked()).status, 401)
})

test('a device that waits is accepted by the code it shows, another refused; a provisioning key lets many in', async (t) => {
  const { page, hub } = await settingsOf(t, 'arrivals')
  const provision = async (body: object) => (await (await hub.post('/v1/provision', body)).json()) as Record<string, string>
  const pump = await provision({ device: 'pump-7' })
  await provision({ device: 'stranger' })
  const claims = page.getByRole('region', { name: 'Devices that wait to be claimed' })
  await claims.getByRole('button', { name: 'Refuse stranger' }).click()
  await claims.getByRole('row', { name: /stranger/ }).waitFor({ state: 'detached' })
  await claims.getByRole('button', { name: 'Accept pump-7' }).click()
  await typeAndDo(page, 'Let pump-7 in?', pump['claim']!, 'Let it in')
  await claims.getByText('Accepted, not fetched yet').waitFor()
  assert.match((await provision({ device: 'pump-7', secret: pump['secret'] }))['token']!, /^mr/)

  const keys = page.getByRole('region', { name: 'Provisioning keys' })
  await keys.getByLabel('Device ids').fill('meter-*')
  await keys.getByLabel('How many devices').fill('2')
  await keys.getByRole('button', { name: 'Make the key' }).click()
  const key = await keys.getByRole('status').locator('code').innerText()
  assert.ok((await provision({ device: 'meter-1', key }))['token'])
  await keys.getByRole('button', { name: 'Revoke the key for meter-*' }).click()
  await typeAndDo(page, 'Revoke the key for meter-*?', 'meter-*', 'Revoke the key')
  assert.equal((await provision({ device: 'meter-2', key }))['token'], undefined)
})

test('roles, types and groups are read as tables and pasted as JSON; what the hub refuses is said', async (t) => {
  const { page, hub, ada } = await settingsOf(t, 'roles')
  const roles = page.getByRole('region', { name: 'Roles' })
  await roles.getByRole('table', { name: 'Rules of viewer' }).waitFor()
  assert.equal(await roles.getByRole('button', { name: 'Edit viewer' }).count(), 0, 'built in')
  const write = async (name: string, json: object | string) => {
    const dialog = page.getByRole('dialog')
    if (name !== '') await dialog.getByLabel('Name', { exact: true }).fill(name)
    await dialog.locator('textarea').fill(typeof json === 'string' ? json : JSON.stringify(json))
    await dialog.getByRole('button', { name: 'Save' }).click()
    return dialog
  }
  await roles.getByRole('button', { name: 'Make a role' }).click()
  const dialog = await write('plant', '[{"effect":')
  await dialog.getByRole('alert').getByText('This is no JSON.').waitFor()
  await write('plant', [{ effect: 'perhaps' }])
  await dialog.getByRole('alert').filter({ hasText: 'effect' }).waitFor()
  await write('plant', [{ effect: 'deny', actions: ['publish', 'retain'], filter: 'plants/#' }])
  await dialog.waitFor({ state: 'detached' })
  const table = roles.getByRole('table', { name: 'Rules of plant' })
  await table.getByText('publish, retain').waitFor()
  assert.match(await table.innerText(), /Deny\s+publish, retain\s+plants\/#/)
  await roles.getByRole('button', { name: 'Remove plant' }).click()
  await typeAndDo(page, 'Remove plant?', 'plant', 'Remove')
  await table.waitFor({ state: 'detached' })

  await page.getByRole('link', { name: 'Device types' }).click()
  const types = page.getByRole('region', { name: 'Device types' })
  await types.getByRole('button', { name: 'Make a device type' }).click()
  const metrics = { t: { type: 'number', unit: '°C', min: -40, max: 125 } }
  await write('pump', { metrics, keep: 'raw 30d, minute 1y', limits: { messagesPerSecond: 10 }, commands: { stop: {} } })
  assert.match(await types.getByRole('table', { name: 'Metrics of pump' }).innerText(), /t\s+number\s+°C\s+-40 … 125/)
  for (const text of ['raw 30d, minute 1y', '10 messages/s', 'stop']) await types.getByText(text, { exact: true }).waitFor()
  await ada.ask('POST', '/v1/devices', { id: 'pump-7', type: 'pump' })
  await types.getByRole('button', { name: 'Remove pump' }).click()
  const removing = page.getByRole('dialog', { name: 'Remove pump?' })
  await removing.getByRole('textbox').fill('pump')
  await removing.getByRole('button', { name: 'Remove', exact: true }).click()
  await removing.getByRole('alert').filter({ hasText: 'pump' }).waitFor()
  await page.keyboard.press('Escape')

  await page.getByRole('link', { name: 'Groups' }).click()
  const groups = page.getByRole('region', { name: 'Groups' })
  await groups.getByText('No group yet.').waitFor()
  await groups.getByRole('button', { name: 'Make a group' }).click()
  await write('north', { query: 'type=pump' })
  await groups.getByRole('button', { name: 'Edit north' }).click()
  await write('', { query: 'type=pump site=north' })
  await groups.getByText('type=pump site=north').waitFor()
  assert.equal(new URL(page.url()).pathname, '/settings')
  assert.equal(((await ada.ask('GET', '/v1/groups')).body['groups'] as unknown[]).length, 1, hub.url)
})

test('the CA is told, and a device is given a certificate, whose key is there once', async (t) => {
  const hub = await startHub(t, { allowAnonymous: 'nobody', mqttsPort: 0 })
  await firstAdmin(hub)
  const { page } = await openPage(t, `${hub.url}/settings?section=certificates`)
  await logIn(page, 'ada')
  const { fingerprint } = (await hub.get('/v1/ca')) as { fingerprint: string }
  await page.getByRole('region', { name: 'CA of this hub' }).getByText(fingerprint).waitFor()
  const list = page.getByRole('region', { name: 'Certificates of devices and programs' })
  await list.getByLabel('Device').fill('pump-7')
  await list.getByRole('button', { name: 'Make the certificate' }).click()
  const link = list.getByRole('link', { name: 'Download the private key' })
  assert.match(decodeURIComponent((await link.getAttribute('href'))!), /BEGIN .*PRIVATE KEY/)
  await list.getByRole('button', { name: 'I have kept it' }).click()
  await link.waitFor({ state: 'detached' })
  await list.getByRole('button', { name: 'Revoke the certificate of pump-7' }).click()
  await typeAndDo(page, 'Revoke the certificate of pump-7?', 'pump-7', 'Revoke the key')
  await list.getByText('No certificate lets anybody in yet.').waitFor()
})

test('the settings in every look; an open hub says what would make it safe', async (t) => {
  const hub = await startHub(t, { mqttsPort: 0, allowClaims: true })
  for (const [path, body] of [
    ['/v1/keys/grafana', { role: 'viewer', label: 'the wall' }],
    ['/v1/provisioning', { pattern: 'meter-*', uses: 500, type: 'meter', tags: { site: 'north' }, label: 'batch 12' }],
    ['/v1/provision', { device: 'pump-7' }],
    ['/v1/ca/certificates', { device: 'pump-9', label: 'hall 2' }],
  ] as const)
    await hub.post(path, body)
  const put = (path: string, body: object) => fetch(hub.url + path, { method: 'PUT', body: JSON.stringify(body) })
  await put('/v1/types/pump', {
    description: 'Pumps of the north plant',
    metrics: { temperature: { type: 'number', unit: '°C', min: -40, max: 125, every: 10 }, running: { type: 'boolean' } },
    keep: 'raw 30d, minute 1y',
    others: 'refuse',
    limits: { messagesPerSecond: 10, bytesPerSecond: 4096 },
    commands: { stop: {}, 'set-speed': {} },
  })
  await put('/v1/groups/north', { query: 'site=north type=pump', description: 'All pumps of the north plant' })
  await inEveryLook(t, `${hub.url}/settings`, async ({ page, complaints, photograph }) => {
    await page.getByText('--allow-anonymous nobody').waitFor()
    await page.getByText('npx mooring users create anna --role admin').waitFor()
    await photograph('settings-users-open')
    for (const [link, seen] of [
      ['API keys', 'grafana'],
      ['New devices', 'meter-*'],
      ['Roles', 'viewer'],
      ['Device types', 'set-speed'],
      ['Groups', 'site=north type=pump'],
      ['Certificates', 'pump-9'],
      ['Storage', 'Journal'],
    ] as const) {
      await page.getByRole('navigation', { name: 'Sections of the settings' }).getByRole('link', { name: link }).click()
      await page.locator('.settings').getByText(seen).first().waitFor()
      await photograph(`settings-${link.toLowerCase().replace(' ', '-')}`)
    }
    await page.getByRole('navigation', { name: 'Sections of the settings' }).getByRole('link', { name: 'Device types' }).click()
    await page.getByRole('button', { name: 'Edit pump' }).click()
    await photograph('settings-editor')
    assert.deepEqual(complaints, [])
  })
})

test('users are listed for an admin, and g s goes there; a viewer is not offered the page', async (t) => {
  const hub = await startHub(t, { allowAnonymous: 'nobody' })
  const ada = await firstAdmin(hub)
  for (const [name, role] of [
    ['val', 'viewer'],
    ['otto', 'operator'],
  ] as const)
    await newUser(ada, name, role)
  await ada.ask('PATCH', '/v1/users/otto', { disabled: true })
  await inEveryLook(t, hub.url, async ({ page, photograph }) => {
    await logIn(page, 'ada')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('s')
    await page.getByRole('row', { name: /^otto/ }).waitFor()
    assert.equal(await page.title(), 'Settings · Mooring')
    await photograph('settings-users')
    await page.getByRole('button', { name: 'Reset the password of val' }).click()
    await page.getByRole('dialog').waitFor()
    await photograph('settings-reset')
  })
  const { page } = await openPage(t, hub.url)
  await logIn(page, 'val')
  await page.getByRole('link', { name: 'Hub' }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'Settings' }).count(), 0)
})
