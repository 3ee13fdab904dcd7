// Overview and the list of devices: how the fleet stands at a glance, and what is done to one device or to many.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { firstAdmin, newUser } from '../kit/browser-like.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { logIn, openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const elsewhere = { allowAnonymous: 'nobody' } as const
const telemetry = (id: string) => `/v1/devices/${id}/telemetry`

function put(hub: TestHub, path: string, body: object): Promise<Response> {
  return fetch(hub.url + path, { method: 'PUT', body: JSON.stringify(body) })
}

async function waitForRows(page: Page, ids: readonly string[]): Promise<void> {
  await page.waitForFunction(
    (wanted) => [...document.querySelectorAll('.devices tbody th a')].map((link) => link.textContent).join(' ') === wanted,
    ids.join(' '),
  )
}

/** The row of this device has the keyboard. */
async function waitForFocus(page: Page, id: string): Promise<void> {
  await page.waitForFunction((wanted) => document.activeElement?.textContent === wanted, id)
}

/** Devices as an operator has them: named, typed, tagged, some of them trouble. */
async function furnish(t: Parameters<typeof moor>[0], hub: Parameters<typeof moor>[1]): Promise<void> {
  const places = ['north hall', 'south hall', 'yard', 'roof']
  for (let i = 1; i <= 60; i++) {
    const [type, name] = i % 3 === 0 ? ['thermostat', `Thermostat ${i}`] : i % 3 === 1 ? ['pump', `Pump ${i}`] : ['valve', undefined]
    const id = `${type}-${String(i).padStart(3, '0')}`
    const made = await hub.post('/v1/devices', {
      id,
      type,
      tags: { site: places[i % 4], line: String(1 + (i % 7)) },
      ...(name === undefined ? {} : { name }),
    })
    assert.equal(made.status, 200, await made.text())
    await hub.post(telemetry(id), { temperature: 18 + (i % 9) / 2, pressure: 2 + i / 40, running: i % 2 === 0, mode: 'auto' })
  }
  for (let i = 1; i <= 12; i++) await moor(t, hub, `${['thermostat', 'pump', 'valve'][i % 3]}-${String(i).padStart(3, '0')}`, 5)
  for (const id of ['pump-019', 'valve-020']) {
    const client = await moor(t, hub, id, 5)
    client.pullCable()
  }
}

test('the overview of an empty hub helps with the first message, and turns into figures with it', async (t) => {
  const hub = await startHub(t)
  const { page, complaints } = await openPage(t, hub.url)
  await page.locator('.paste code').filter({ hasText: 'mosquitto_pub' }).waitFor()
  await hub.post(telemetry('boiler-1'), { temperature: 20 })
  await page.locator('.health', { hasText: '0 of 1 device online.' }).waitFor()
  await page.getByText('Nothing needs attention.').waitFor()
  assert.equal(await page.locator('.first').count(), 0)
  assert.deepEqual(complaints, [])
})

test('the overview says who is online and who is lost, as it happens, and leads to him', async (t) => {
  const hub = await startHub(t)
  for (const id of ['pump-1', 'pump-2']) await hub.post(telemetry(id), { temperature: 20 })
  const { page, complaints } = await openPage(t, hub.url)
  await page.locator('.health', { hasText: '0 of 2 devices online.' }).waitFor()

  const client = await moor(t, hub, 'pump-2', 5)
  await page.locator('.health', { hasText: '1 of 2 devices online.' }).waitFor()
  client.pullCable()
  await page.locator('.health', { hasText: '0 of 2 devices online. 1 needs attention.' }).waitFor()
  const item = page.locator('.attention li', { hasText: 'pump-2 is gone: the connection was lost' })
  await item.waitFor()

  await moor(t, hub, 'pump-2', 5)
  await page.getByText('Nothing needs attention.').waitFor()
  await hub.post('/v1/devices/pump-1/commands', { name: 'stop' })
  await page.locator('.pulse div', { hasText: 'Commands waiting' }).locator('dd', { hasText: /^1$/ }).waitFor()
  await page.locator('.throughput .plot canvas').waitFor()
  assert.deepEqual(complaints, [])
})

test('what fell silent and what failed are told on the overview, and the filter finds them', async (t) => {
  const hub = await startHub(t)
  assert.equal((await put(hub, '/v1/types/pump', { metrics: { temperature: { type: 'number', every: 1 } } })).status, 200)
  await hub.post('/v1/devices', { id: 'pump-1', type: 'pump' })
  await hub.post('/v1/devices', { id: 'valve-1' })
  await hub.post(telemetry('pump-1'), { temperature: 20 })
  const valve = await moor(t, hub, 'valve-1', 5)
  const { page, complaints } = await openPage(t, hub.url)
  await valve.subscribe('devices/valve-1/commands/+', { qos: 1 })
  const asked = (await (await hub.post('/v1/devices/valve-1/commands', { name: 'close' })).json()) as { id: string }
  await hub.post(`/v1/devices/valve-1/replies/${asked.id}`, { status: 'failed', reason: 'jammed' })
  await page.locator('.attention li', { hasText: 'valve-1 did not carry out close' }).waitFor()
  await page.locator('.attention li', { hasText: 'pump-1 no longer says temperature' }).waitFor()

  await page.getByRole('link', { name: 'All with a silent metric' }).click()
  await page.waitForURL('**/devices?q=stale:yes')
  await waitForRows(page, ['pump-1'])
  await page.locator('.devices tbody th a').click()
  await page.locator('.panel .silent').waitFor()
  assert.deepEqual(complaints, [])
})

test('the filter line completes keys and values by keyboard, and says what it does not know', async (t) => {
  const hub = await startHub(t)
  for (const [id, type, site] of [
    ['a-1', 'pump', 'north hall'],
    ['b-1', 'pump', 'yard'],
    ['c-1', 'valve', 'yard'],
  ] as const)
    await hub.post('/v1/devices', { id, type, tags: { site } })
  const { page, complaints } = await openPage(t, `${hub.url}/devices`)
  await waitForRows(page, ['a-1', 'b-1', 'c-1'])
  await page.keyboard.press('/')
  await page.keyboard.type('ty')
  await page.getByRole('option', { name: 'type:' }).waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.type('p')
  await page.getByRole('option', { name: 'type:pump' }).waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await waitForRows(page, ['a-1', 'b-1'])
  await page.keyboard.type('tag:site:n')
  await page.getByRole('option', { name: 'north hall' }).waitFor()
  await page.keyboard.press('Tab')
  await waitForRows(page, ['a-1'])
  assert.equal(new URL(page.url()).searchParams.get('q'), 'type:pump tag:"site:north hall" ')

  // Enter goes to the rows, Enter opens the first of them beside the list.
  await page.keyboard.press('Enter')
  await waitForFocus(page, 'a-1')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary', { name: 'Device a-1' }).waitFor()
  await page.keyboard.press('Escape')
  await page.locator('.panel').waitFor({ state: 'detached' })
  await waitForFocus(page, 'a-1')

  await page.keyboard.press('/')
  await page.keyboard.type('colour:red')
  await page.locator('.misread', { hasText: '“colour:red” is searched in ids and names; the keys are status, type' }).waitFor()
  await page.keyboard.press('/')
  await page.locator('.filter input').fill('status:purple')
  await page.locator('.misread', { hasText: 'status is online, away or offline, never “purple”.' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('the panel shows one device live, edits its tags and follows the keyboard; a column sorts both ways', async (t) => {
  const hub = await startHub(t)
  for (const [i, id] of ['a', 'b', 'c'].entries()) await hub.post(telemetry(id), { temperature: [21, 19, 20][i]! })
  await moor(t, hub, 'b', 5)
  const { page, complaints } = await openPage(t, `${hub.url}/devices`)
  await waitForRows(page, ['a', 'b', 'c'])
  await page.getByLabel('Metric of value column 1').focus()
  await page.getByLabel('Metric of value column 1').selectOption('temperature')
  await page.getByRole('columnheader', { name: 'temperature' }).getByRole('button').click()
  await waitForRows(page, ['b', 'c', 'a'])
  await page.getByRole('columnheader', { name: 'temperature' }).getByRole('button').click()
  await waitForRows(page, ['a', 'c', 'b'])

  await page.keyboard.press('j')
  await waitForFocus(page, 'a')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary', { name: 'Device a' }).waitFor()
  await page.keyboard.press('j')
  await waitForFocus(page, 'c')
  await page.keyboard.press('j')
  const panel = page.getByRole('complementary', { name: 'Device b' })
  await panel.getByText('MQTT over TCP').waitFor()
  await panel.getByText('Online').waitFor()
  await hub.post(telemetry('b'), { temperature: 33.5 })
  await panel.getByText('33.5').waitFor()

  await panel.getByLabel('Add a tag').fill('nonsense')
  await page.keyboard.press('Enter')
  await panel.getByText('A tag is name:value').waitFor()
  await panel.getByLabel('Add a tag').fill('site:north')
  await page.keyboard.press('Enter')
  await page.locator('.devices td.tags', { hasText: 'site:north' }).waitFor({ state: 'attached' })
  assert.deepEqual(((await hub.get('/v1/devices/b')) as { tags: object }).tags, { site: 'north' })
  await panel.getByRole('button', { name: 'Remove the tag site:north' }).click()
  await panel.getByText('It has no tags.').waitFor()
  assert.deepEqual(((await hub.get('/v1/devices/b')) as { tags: object }).tags, {})
  await panel.getByRole('link', { name: 'Open page' }).click()
  await page.waitForURL('**/devices/b')
  assert.deepEqual(complaints, [])
})

test('the chosen devices are tagged, commanded, kicked and deleted together; what is grave asks for a typed word', async (t) => {
  const hub = await startHub(t)
  const ids = ['a', 'b', 'c', 'd', 'e']
  for (const id of ids) await hub.post('/v1/devices', { id })
  const client = await moor(t, hub, 'b', 5)
  const { page, complaints } = await openPage(t, `${hub.url}/devices`)
  await waitForRows(page, ids)
  const bar = page.getByRole('toolbar', { name: 'Chosen devices' })
  const dialog = page.getByRole('dialog')
  const done = async (text: string) => {
    await dialog.getByText(text).waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.locator('dialog').waitFor({ state: 'detached' })
  }

  await page.keyboard.press('j')
  await waitForFocus(page, 'a')
  await page.keyboard.press('x')
  await bar.getByText('1 device chosen').waitFor()
  await page.keyboard.press('j')
  await waitForFocus(page, 'b')
  await page.keyboard.press('j')
  await waitForFocus(page, 'c')
  await page.keyboard.press('Shift+X')
  await bar.getByText('3 devices chosen').waitFor()

  await bar.getByRole('button', { name: 'Add tag' }).click()
  await dialog.getByLabel('Tag').fill('site:north')
  await page.keyboard.press('Enter')
  await done('Done: 3 devices.')
  assert.equal(await page.locator('.devices td.tags', { hasText: 'site:north' }).count(), 3)

  await bar.getByRole('button', { name: 'Send command' }).click()
  await dialog.getByLabel('Command').fill('stop')
  await dialog.getByLabel('Parameters').fill('{"speed":')
  await dialog.getByLabel('Type 3 devices to go on').fill('3 devices')
  await page.keyboard.press('Enter')
  await dialog.getByText('The parameters are no JSON.').waitFor()
  await dialog.getByLabel('Parameters').fill('{"speed":0}')
  await dialog.getByLabel('Type 3 devices to go on').fill('3 devices')
  await page.keyboard.press('Enter')
  await done('On its way to 3 devices.')
  const { commands } = (await hub.get('/v1/commands')) as { commands: { device: string; params: unknown }[] }
  assert.deepEqual(commands.map(({ device }) => device).sort(), ['a', 'b', 'c'])
  assert.deepEqual(commands[0]?.params, { speed: 0 })

  await bar.getByRole('button', { name: 'Kick' }).click()
  await dialog.getByLabel('Type 3 devices to go on').fill('3 device')
  await page.keyboard.press('Enter')
  assert.equal(await dialog.getByRole('button', { name: 'Kick' }).getAttribute('aria-disabled'), 'true')
  await dialog.getByLabel('Type 3 devices to go on').fill('3 devices')
  await page.keyboard.press('Enter')
  await client.closed
  await done('Done: 3 devices.')

  await bar.getByRole('button', { name: 'Delete' }).click()
  await dialog.getByLabel('Type 3 devices to go on').fill('3 devices')
  await page.keyboard.press('Enter')
  await done('Done: 3 devices.')
  await waitForRows(page, ['d', 'e'])
  assert.equal(((await hub.get('/v1/devices')) as { total: number }).total, 2)
  await bar.waitFor({ state: 'detached' })
  assert.deepEqual(complaints, [])
})

test('of ten thousand devices only those on screen are in the page, and the bad one is found by keyboard alone', async (t) => {
  const hub = await startHub(t)
  const lines = Array.from({ length: 10_000 }, (_, i) => `meter-${String(i).padStart(5, '0')},power,${Date.now()},${i}`)
  const sent = await hub.post('/v1/import?format=csv', `device,metric,time,value\n${lines.join('\n')}\n`)
  assert.equal(sent.status, 200, await sent.text())
  const bad = await moor(t, hub, 'meter-07431', 5)
  bad.pullCable()
  const { page, complaints } = await openPage(t, hub.url)
  await page.locator('.health', { hasText: '0 of 10\u202f000 devices online. 1 needs attention.' }).waitFor({ timeout: 60_000 })

  await page.keyboard.press('g')
  await page.keyboard.press('d')
  await page.locator('table[aria-rowcount="10001"]').waitFor({ timeout: 60_000 })
  const nodes = () => page.evaluate(() => document.querySelectorAll('main *').length)
  const atTop = await nodes()
  await page.evaluate(() => document.querySelector('main')!.scrollTo(0, 160_000))
  await page.locator('[data-device="meter-05005"]').waitFor()
  const halfway = await nodes()
  t.diagnostic(`${atTop} nodes at the top, ${halfway} halfway down`)
  assert.ok(Math.max(atTop, halfway) < 2_500, `${atTop} and ${halfway} nodes`)

  await page.keyboard.press('/')
  await page.keyboard.type('transport:mqtt status:off')
  await waitForRows(page, ['meter-07431'])
  await page.keyboard.press('Enter')
  await waitForFocus(page, 'meter-07431')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary', { name: 'Device meter-07431' }).getByText('the connection was lost').waitFor()
  assert.deepEqual(complaints, [])
})

test('who may not change devices is not offered to', async (t) => {
  const hub = await startHub(t, elsewhere)
  const ada = await firstAdmin(hub)
  await ada.ask('POST', '/v1/devices', { id: 'pump-1', tags: { site: 'north' } })
  await newUser(ada, 'val', 'viewer')
  const { page } = await openPage(t, `${hub.url}/devices?open=pump-1`)
  await logIn(page, 'val')
  const panel = page.getByRole('complementary', { name: 'Device pump-1' })
  await panel.getByText('site:').waitFor()
  assert.equal(await panel.getByRole('textbox').count(), 0)
  await page.getByLabel('Choose pump-1').check()
  const bar = page.getByRole('toolbar', { name: 'Chosen devices' })
  await bar.getByText('1 device chosen').waitFor()
  assert.deepEqual(await bar.getByRole('button').allInnerTexts(), ['Choose none'])
})

test('pictures of the overview and the devices', async (t) => {
  const hub = await startHub(t)
  await furnish(t, hub)
  await inEveryLook(t, hub.url, async ({ page, complaints, photograph }) => {
    await page.locator('.attention li').nth(1).waitFor()
    await page.locator('.throughput .plot canvas').waitFor()
    await photograph('overview')
    await page.goto(`${hub.url}/devices`)
    await page.locator('.devices tbody th a').nth(9).waitFor()
    await photograph('devices-list')
    await page.goto(`${hub.url}/devices?q=type:pump+colour:red&m1=temperature&m2=pressure&sort=-m1`)
    await page.locator('.misread').waitFor()
    await page.goto(`${hub.url}/devices?q=type:pump&m1=temperature&m2=pressure&sort=-m1&open=pump-001`)
    await page.locator('.panel-values').waitFor()
    await photograph('devices-panel')
    await page.goto(`${hub.url}/devices?q=type:pump`)
    await page.locator('.devices tbody input').nth(3).check()
    await page.locator('.devices tbody input').nth(5).check()
    await page.getByRole('button', { name: 'Kick …' }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('type:pump tag:')
    await page.getByRole('option').nth(3).waitFor()
    await page.keyboard.press('ArrowDown')
    await photograph('devices-chosen')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Delete …' }).click()
    await page.getByRole('dialog').waitFor()
    await photograph('devices-delete')
    assert.deepEqual(complaints, [])
  })
})
