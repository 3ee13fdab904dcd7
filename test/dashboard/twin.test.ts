// The page of one device, whole: its connection, what happened, its twin, commands, messages, session and credentials.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { firstAdmin, newUser } from '../kit/browser-like.ts'
import { type InProcessHub, startHub } from '../kit/hub.ts'
import { moor, type TestClient } from '../kit/mqtt.ts'
import { logIn, openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const device = 'pump-7'
const at = (hub: InProcessHub, query = '') => `${hub.url}/devices/${device}${query}`

/** With the device on record: a twin is of nobody else. */
async function hubWith(t: TestContext, said: object = {}, settings: Parameters<typeof startHub>[1] = {}): Promise<InProcessHub> {
  const hub = await startHub(t, settings)
  await hub.post('/v1/devices', { id: device, ...said })
  return hub
}

const desire = (hub: InProcessHub, desired: object, twin = 'twin') =>
  fetch(`${hub.url}/v1/devices/${device}/${twin}`, { method: 'PATCH', body: JSON.stringify({ desired }) })
const twinOf = async (hub: InProcessHub) => (await hub.get(`/v1/devices/${device}/twin`)) as { desired: unknown; version: number }
const report = (client: TestClient, state: object) => client.publish(`devices/${device}/state/reported`, JSON.stringify(state), { qos: 1 })
const rowOf = (page: Page, path: string) => page.locator('section.twin > .tree tbody tr', { has: page.locator(`th[title="${path}"]`) })

/** Answers each command with `status`, and what is given with it. */
async function answering(client: TestClient, status: string, more: object = {}): Promise<void> {
  await client.subscribe(`devices/${device}/commands/+`, { qos: 1 })
  void (async () => {
    for (;;) {
      const { topic } = await client.next('publish')
      const id = topic.split('/').at(-1)!
      await client.publish(`devices/${device}/replies/${id}`, JSON.stringify({ status, ...more }), { qos: 1 })
    }
  })().catch(() => {}) // the test is over
}

test('what is desired stands beside what is reported, changes as the device reports, and says where they differ', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device)
  await report(pump, { valve: { open: false, angle: 12 }, mode: 'auto' })
  await desire(hub, { valve: { open: true }, speed: 900 })
  const { page, complaints } = await openPage(t, at(hub))
  await rowOf(page, 'valve.open').getByText('differs').waitFor()
  await rowOf(page, 'speed').getByText('not reported').waitFor()
  assert.match(await page.locator('#twin').innerText(), /2 not yet as desired/)

  await report(pump, { valve: { open: true }, speed: 900 })
  await rowOf(page, 'valve.open').getByText('as desired').waitFor()
  await rowOf(page, 'speed').getByText('as desired').waitFor()
  await page.locator('#twin', { hasText: 'all that is desired is so' }).waitFor()
  assert.match((await rowOf(page, 'speed').locator('td').nth(1).getAttribute('title')) ?? '', /^said /)
  assert.deepEqual(complaints, [])
})

test('a leaf is changed in its kind, added and removed; a device that reports meanwhile is no conflict', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device)
  await desire(hub, { valve: { open: true }, speed: 900, label: '12' })
  const { page } = await openPage(t, at(hub))

  await page.getByRole('button', { name: 'Change what is desired of speed' }).click()
  const field = page.getByLabel('Desired value of speed')
  await field.fill('fast')
  await page.keyboard.press('Enter')
  await page.getByText('A number is needed here.').waitFor()
  await report(pump, { speed: 1 })
  await report(pump, { speed: 2 })
  await field.fill('1200')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: /^Change what is desired of speed: 1200$/ }).waitFor()

  await page.getByRole('button', { name: 'Change what is desired of label' }).click()
  await page.getByLabel('Desired value of label').fill('13')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Change what is desired of label: 13' }).waitFor()

  await page.getByRole('button', { name: 'Change what is desired of valve.open' }).click()
  await page.getByLabel('Desired value of valve.open').selectOption('false')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('button', { name: 'Change what is desired of valve.open: false' }).waitFor()

  await page.getByRole('button', { name: 'Desire something …' }).click()
  await page.getByLabel('Path, such as').fill('limits.max')
  await page.getByLabel('Value: 5').fill('7.5')
  await page.keyboard.press('Enter')
  await rowOf(page, 'limits.max').getByText('7.5').waitFor()

  await page.getByRole('button', { name: 'Change what is desired of valve.open' }).click()
  await page.getByRole('button', { name: 'Remove' }).click()
  await rowOf(page, 'valve.open').waitFor({ state: 'detached' })
  assert.deepEqual((await twinOf(hub)).desired, { speed: 1200, label: '13', limits: { max: 7.5 } })
})

test('who was slower is told who was faster, sees the newer one, and may still have his way', async (t) => {
  const hub = await hubWith(t)
  await moor(t, hub, device)
  await desire(hub, { speed: 900 })
  const { page } = await openPage(t, at(hub))
  await page.getByRole('button', { name: 'Change what is desired of speed' }).click()
  const { version } = await twinOf(hub)
  await desire(hub, { speed: 1000 })
  const field = page.getByLabel('Desired value of speed')
  await field.fill('1100')
  await page.keyboard.press('Enter')
  await page.getByText(new RegExp(`^anonymous was faster: version ${version + 1} has speed = 1000\\.`)).waitFor()
  assert.equal(await field.inputValue(), '1100')
  assert.deepEqual((await twinOf(hub)).desired, { speed: 1000 })
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: /^Change what is desired of speed: 1100$/ }).waitFor()
  assert.deepEqual((await twinOf(hub)).desired, { speed: 1100 })
})

test('a version shows the state of its time beside now; named twins are tabs', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device)
  await desire(hub, { speed: 900 })
  await report(pump, { speed: 900 })
  await desire(hub, { speed: 1000, mode: 'boost' })
  await desire(hub, { ssid: 'shed' }, 'twins/network')
  const { page } = await openPage(t, at(hub))
  await page.getByText('Versions', { exact: true }).click()
  await page.getByRole('button', { name: 'Show version 1', exact: true }).click()
  const past = page.getByRole('region', { name: /^Version 1, / })
  await past.getByRole('row', { name: /^speed desired 900 1000 changed$/ }).waitFor()
  await past.getByRole('row', { name: /^mode desired – boost changed$/ }).waitFor()
  assert.match(await page.getByRole('table', { name: 'Versions of the twin' }).innerText(), /the device\s+reports speed = 900/)

  await page.getByRole('button', { name: 'network ≠' }).click()
  await rowOf(page, 'ssid').getByText('shed').waitFor()
})

test('a command is typed with the key c, offered by its type, followed live, cancelled and sent again', async (t) => {
  const hub = await hubWith(t, { type: 'pump' })
  const type = { commands: { 'set-speed': { properties: { rpm: { type: 'integer' }, ramp: { type: 'boolean' } }, required: ['rpm'] } } }
  await fetch(`${hub.url}/v1/types/pump`, { method: 'PUT', body: JSON.stringify(type) })
  const pump = await moor(t, hub, device)
  await answering(pump, 'done', { result: { rpm: 900 } })
  const { page, complaints } = await openPage(t, at(hub))
  await page.locator('#commands').waitFor()
  await page.locator('datalist option[value="set-speed rpm="]').waitFor({ state: 'attached' })

  await page.keyboard.press('c')
  await page.waitForFunction(() => document.activeElement?.getAttribute('list') !== null)
  await page.keyboard.type('set-speed ramp=true')
  await page.getByText('rpm integer · ramp boolean (optional)').waitFor()
  await page.keyboard.press('Enter')
  await page.getByText('Missing: rpm.').waitFor()
  await page.keyboard.type(' rpm=900')
  await page.keyboard.press('Enter')
  const table = page.getByRole('table', { name: 'Commands, the newest first' })
  await table.getByText('Done', { exact: true }).waitFor()
  assert.match(
    (await table.locator('.steps').textContent()) ?? '',
    /^queued \d\d:\d\d:\d\d → sent \+.* s → (received \+.* s → )?done \+.* s$/,
  )
  assert.match(await table.locator('.outcome').innerText(), /rpm 900/)
  await page.getByRole('button', { name: 'Details of set-speed' }).click()
  await page.getByRole('table', { name: 'Params' }).getByRole('row', { name: 'rpm 900' }).waitFor()
  await page.getByRole('table', { name: 'Result' }).getByRole('row', { name: 'rpm 900' }).waitFor()

  await page.getByRole('button', { name: 'Send set-speed again' }).click()
  await page.waitForFunction(() => document.querySelectorAll('.asked .steps').length === 2)
  await pump.leave()
  await page.locator('.head').getByText('Offline').waitFor()
  await page.getByLabel('Command', { exact: true }).fill('stop')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Cancel stop' }).click()
  await table.getByText('Cancelled', { exact: true }).waitFor()
  assert.deepEqual(complaints, [])
})

test('its messages go by live; paused they are counted, and shown when one goes on', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device)
  await pump.publish(`devices/${device}/telemetry`, '{"temperature":61.2}', { qos: 1 })
  const { page } = await openPage(t, at(hub))
  await page.locator('#tail').scrollIntoViewIfNeeded()
  const table = page.getByRole('table', { name: 'Messages of this device' })
  await table.getByText('temperature 61.2').waitFor()
  await pump.publish(`devices/${device}/log`, 'plain words', { qos: 1 })
  await table.getByText('plain words').waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  for (let i = 0; i < 3; i++) await pump.publish(`devices/${device}/telemetry`, `{"temperature":${70 + i}}`, { qos: 1 })
  await page.getByRole('button', { name: 'Go on · 3 new' }).waitFor()
  assert.equal(await table.getByText('temperature 72').count(), 0)
  await page.getByRole('button', { name: 'Go on · 3 new' }).click()
  await table.getByText('temperature 72').waitFor()
  assert.equal(await table.getByText('temperature 61.2').count(), 1, 'nothing is there twice')
  await table.getByRole('button', { name: 'Whole payload on telemetry' }).first().click()
  await page.getByRole('table', { name: 'Payload' }).getByRole('row', { name: 'temperature 72' }).waitFor()
})

test('a hidden page lets go of the tail, and shown again it has what went by meanwhile, once', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device)
  await pump.publish(`devices/${device}/log`, 'before', { qos: 1 })
  const { page } = await openPage(t, at(hub))
  await page.locator('#tail').scrollIntoViewIfNeeded()
  const table = page.getByRole('table', { name: 'Messages of this device' })
  await table.getByText('before').waitFor()
  const setHidden = (hidden: boolean) =>
    page.evaluate((to) => {
      Object.defineProperty(document, 'hidden', { value: to, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, hidden)
  const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/v1/messages?'))
  await setHidden(true)
  await ended
  await pump.publish(`devices/${device}/log`, 'meanwhile', { qos: 1 })
  await setHidden(false)
  await table.getByText('meanwhile').waitFor()
  assert.equal(await table.getByText('before').count(), 1)
})

test('type, tags and metrics that have fallen silent are told at the top', async (t) => {
  const hub = await hubWith(t, { type: 'pump', tags: { site: 'north' } })
  await fetch(`${hub.url}/v1/types/pump`, { method: 'PUT', body: JSON.stringify({ metrics: { t: { type: 'number', every: 1 } } }) })
  await hub.post(`/v1/devices/${device}/telemetry`, { t: 20, other: 1 })
  const { page } = await openPage(t, at(hub))
  await page.locator('.head').getByText('type pump').waitFor()
  await page.locator('.head').getByText('site north').waitFor()
  await page.getByText('t has fallen silent').waitFor()
})

test('what happened stands on the time axis as marks with sentences, which the arrow keys walk', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device)
  await pump.publish(`devices/${device}/telemetry`, '{"temperature":61.2}', { qos: 1 })
  await desire(hub, { speed: 900 })
  await hub.post(`/v1/devices/${device}/commands`, { name: 'stop' })
  const { page } = await openPage(t, at(hub))
  const twin = page.getByRole('button', { name: /anonymous desires speed = 900$/ })
  await twin.waitFor()
  await page.getByRole('button', { name: /stop, asked by anonymous: sent|queued/ }).waitFor()
  await page.getByRole('button', { name: /Connected by MQTT over TCP from 127\.0\.0\.1/ }).waitFor()

  await pump.publish(`devices/${device}/events/leak`, '{"litres":3}', { qos: 1 })
  await page.getByRole('button', { name: /It says leak: / }).waitFor()
  await twin.focus()
  await page.locator('.happened .pointed', { hasText: 'anonymous desires speed = 900' }).waitFor()
  await report(pump, { speed: 900 })
  await page.getByRole('button', { name: /It reports speed = 900$/ }).waitFor()
  await page.keyboard.press('ArrowRight')
  await page.locator('.happened .pointed', { hasText: 'It reports speed = 900' }).waitFor()

  // Zoomed to yesterday, none of it is there.
  const nowMs = Date.now()
  await page.goto(at(hub, `?from=${nowMs - 7_200_000}&to=${nowMs - 3_600_000}`))
  await page.getByText('Nothing has happened in this range.').waitFor()
})

test('the connection of a day is a bar with its share, and a table', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device)
  await pump.leave()
  await moor(t, hub, device)
  const { page } = await openPage(t, at(hub))
  const uptime = page.getByRole('region', { name: 'Connection, last 24 h' })
  await uptime.getByText(/% connected of the (?:now|\d+ s) known$/).waitFor()
  assert.ok((await uptime.locator('.strip .online').count()) >= 1)
  assert.equal(await uptime.locator('.strip .unknown').count(), 1, 'what was before anybody heard of it')
  await uptime.getByRole('row', { name: /Offline it said goodbye$/ }).waitFor({ state: 'attached' })
})

test('a connection is closed only by who types the name; a credential is made, shown once, and revoked', async (t) => {
  const hub = await hubWith(t)
  const pump = await moor(t, hub, device, 5)
  await pump.subscribe('alerts/#')
  const { page, complaints } = await openPage(t, at(hub))
  await page.getByRole('table', { name: 'Connections that speak for it' }).getByText('alerts/#').waitFor()
  await page.getByRole('button', { name: 'Close its connections …' }).click()
  const close = page.getByRole('button', { name: 'Close them' })
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Type pump-7 to confirm')
  await page.keyboard.type('pump')
  assert.equal(await close.isDisabled(), true)
  await page.keyboard.type('-7')
  await close.click()
  await page.getByText('1 closed.').waitFor()
  await pump.closed
  await page.getByText('It has no connection now.').waitFor()

  await page.getByLabel('Label of the new one').fill('workshop')
  await page.getByRole('button', { name: 'Make a token' }).click()
  const secret = await page.locator('.secret code').innerText()
  assert.ok(secret.length > 16)
  await page.getByRole('button', { name: 'I have kept it' }).click()
  assert.equal(await page.getByText(secret).count(), 0)
  await page.getByRole('button', { name: 'Revoke workshop' }).click()
  await page.getByLabel('Type pump-7 to confirm').fill(device)
  await page.keyboard.press('Enter')
  await page.getByText('It has no credential of its own.').waitFor()
  assert.deepEqual(complaints, [])
})

test('who may only look is offered nothing to change', async (t) => {
  const hub = await startHub(t, { allowAnonymous: 'nobody' })
  const ada = await firstAdmin(hub)
  await newUser(ada, 'val', 'viewer')
  await ada.ask('POST', '/v1/devices', { id: device })
  await ada.ask('PATCH', `/v1/devices/${device}/twin`, { desired: { speed: 900 } })
  await ada.ask('POST', `/v1/devices/${device}/commands`, { name: 'stop' })
  const { page } = await openPage(t, at(hub))
  await logIn(page, 'val')
  await rowOf(page, 'speed').getByText('not reported').waitFor()
  await page.locator('.asked .steps').waitFor()
  for (const name of [/^Change what/, /^Desire something/, /^Send/, /^Cancel/, /^Make a token/, /^Close its/])
    assert.equal(await page.getByRole('button', { name }).count(), 0, `${name}`)
})

test('the whole page in both themes, wide and narrow', async (t) => {
  const hub = await hubWith(t, { name: 'Pump of the north hall', type: 'pump', tags: { site: 'north', floor: '2' } })
  const type = { commands: { 'set-speed': { properties: { rpm: { type: 'integer' } }, required: ['rpm'] }, stop: {} } }
  await fetch(`${hub.url}/v1/types/pump`, { method: 'PUT', body: JSON.stringify(type) })
  const first = await moor(t, hub, device)
  const from = Date.now() - 240_000
  const history = Array.from({ length: 120 }, (_, i) => ({ ts: from + i * 2_000, values: { pressure: 3 + Math.sin(i / 9), rpm: 900 + i } }))
  await hub.post(`/v1/devices/${device}/telemetry`, history)
  await report(first, {
    valve: { open: false, angle: 12 },
    mode: 'auto',
    firmware: { version: '2.4.1', build: { commit: 'a91fe03', dirty: false } },
  })
  await desire(hub, { valve: { open: true }, speed: 900, mode: 'auto' })
  await desire(hub, { ssid: 'shed' }, 'twins/network')
  await first.leave()
  const pump = await moor(t, hub, device)
  await answering(pump, 'done', { result: { rpm: 900, took: { ms: 312 } } })
  for (const rpm of [600, 900]) await hub.post(`/v1/devices/${device}/commands?wait=5`, { name: 'set-speed', params: { rpm } })
  await hub.post(`/v1/devices/${device}/commands`, { name: 'stop', expiresInSeconds: 60 })
  await pump.publish(`devices/${device}/events/leak`, '{"litres":3}', { qos: 1 })
  await pump.publish(`devices/${device}/log`, 'the valve is stiff', { qos: 1 })
  await hub.post(`/v1/devices/${device}/credentials`, { label: 'workshop' })
  await inEveryLook(t, at(hub), async ({ page, complaints, photograph, width }) => {
    await page.locator('.connections').waitFor()
    await page.locator('.asked .steps').nth(2).waitFor()
    await page.locator('#chart-rpm canvas').waitFor()
    await photograph('device-top')
    // All of it in one picture.
    await page.setViewportSize({ width, height: width === 390 ? 4_600 : 3_200 })
    await page.getByText('the valve is stiff').waitFor()
    await photograph('device-whole')
    await page.getByText('Versions', { exact: true }).click()
    await page.getByRole('button', { name: 'Show version 1', exact: true }).click()
    await page.getByRole('region', { name: /^Version 1, / }).waitFor()
    await page.getByRole('button', { name: 'Change what is desired of valve.open' }).click()
    await page.getByRole('button', { name: 'Details of set-speed' }).first().click()
    await page.getByRole('button', { name: 'Whole payload on events/leak' }).click()
    await page.getByRole('button', { name: 'Close its connections …' }).click()
    await page.getByRole('button', { name: 'Revoke workshop' }).click()
    await photograph('device-open')
    assert.deepEqual(complaints, [])
  })
})
