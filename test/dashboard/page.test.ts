// The dashboard in a real browser against a real hub: what an operator sees, without a reload.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dropReasons } from '../../hub/metrics.ts'
import { startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { openPage } from './browser.ts'
import { openCable } from './cable.ts'
import { inEveryLook } from './looks.ts'

const telemetry = (id: string) => `/v1/devices/${id}/telemetry`

test('the empty page shows lines to paste and turns into the table with the first message', async (t) => {
  const hub = await startHub(t)
  const { page, complaints } = await openPage(t, `${hub.url}/devices`)
  const lines = page.locator('.paste code')
  await lines.filter({ hasText: 'mosquitto_pub' }).waitFor()
  assert.match(await lines.nth(0).innerText(), new RegExp(`^mosquitto_pub -h \\S+ -p ${hub.mqttPort} -t devices/boiler-1/telemetry -q 1`))
  assert.match(await lines.nth(1).innerText(), new RegExp(`^curl .* ${hub.url}/v1/devices/boiler-1/telemetry$`))

  await hub.post(telemetry('boiler-1'), { temperature: 61.2 })
  await page.locator('table.devices').getByText('61.2').waitFor()
  assert.equal(await page.locator('.first').count(), 0)
  assert.equal(await page.title(), 'Devices · Mooring')
  assert.deepEqual(complaints, [])
})

test('a value published over HTTP changes its cell without a reload', async (t) => {
  const hub = await startHub(t)
  await hub.post(telemetry('boiler-1'), { temperature: 20 })
  const { page, complaints } = await openPage(t, `${hub.url}/devices`)
  const row = page.getByRole('row', { name: 'boiler-1' })
  await row.getByText('20', { exact: true }).waitFor()
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }))
  await sleep(500) // the row is being watched by now

  const took: number[] = []
  for (const value of [61.2, 61.3, 61.4, 61.5, 61.6]) {
    // Measured inside the page: asking the browser from outside would be part of the figure.
    const shownAt = page.evaluate(
      (text) =>
        new Promise<number>((resolve) => {
          const look = () => document.querySelector('.devices .value')?.textContent === text && resolve(Date.now())
          new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
        }),
      String(value),
    )
    await sleep(150)
    const sentAt = Date.now()
    await hub.post(telemetry('boiler-1'), { temperature: value })
    took.push((await shownAt) - sentAt)
  }
  t.diagnostic(`POST to changed cell: ${took.join(', ')} ms`)
  assert.equal(await row.getByText('61.6').count(), 1)
  assert.equal(await page.evaluate(() => 'neverReloaded' in window), true)
  assert.deepEqual(complaints, [])
})

test('the filter is the address, and the keys lead through the rows', async (t) => {
  const hub = await startHub(t)
  for (const id of ['boiler-1', 'boiler-2', 'pump-1', 'pump-2', 'pump-3']) await hub.post(telemetry(id), { temperature: 20 })
  const { page, complaints } = await openPage(t, `${hub.url}/devices?q=pump`)
  const links = page.locator('.devices tbody a')
  await links.nth(2).waitFor()
  assert.deepEqual(await links.allInnerTexts(), ['pump-1', 'pump-2', 'pump-3'])

  await page.keyboard.press('/')
  await page.keyboard.type('boiler')
  await page.waitForURL('**/devices?q=boiler')
  await page.waitForFunction(() => document.querySelectorAll('.devices tbody a').length === 2)

  await page.keyboard.press('Escape')
  await page.keyboard.press('j')
  await page.waitForFunction(() => document.activeElement?.textContent === 'boiler-1')
  await page.keyboard.press('j')
  await page.waitForFunction(() => document.activeElement?.textContent === 'boiler-2')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary', { name: 'Device boiler-2' }).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/devices/boiler-2')
  await page.goBack()
  await page.waitForURL('**/devices?q=boiler&open=boiler-2')

  await page.keyboard.press('g')
  await page.keyboard.press('h')
  await page.getByRole('heading', { name: 'Hub', level: 1 }).waitFor()
  await page.keyboard.press('?')
  await page.getByRole('dialog').getByText('Filter the devices').waitFor()
  assert.deepEqual(complaints, [])
})

test('while the pointer is in the table a new device does not move the rows', async (t) => {
  const hub = await startHub(t)
  for (const id of ['b', 'c']) await hub.post(telemetry(id), { temperature: 20 })
  const { page } = await openPage(t, `${hub.url}/devices`)
  const links = page.locator('.devices tbody a')
  await links.nth(1).waitFor()
  await page.locator('.devices tbody').hover()
  await hub.post(telemetry('a'), { temperature: 20 })
  await links.nth(2).waitFor()
  assert.deepEqual(await links.allInnerTexts(), ['b', 'c', 'a'])
  await page.mouse.move(5, 5)
  await page.waitForFunction(() => document.querySelector('.devices tbody a')?.textContent === 'a')
})

test('a device shows its history and goes on live', async (t) => {
  const hub = await startHub(t)
  const from = Date.now() - 120_000
  const history = Array.from({ length: 60 }, (_, i) => ({
    ts: from + i * 2_000,
    values: { temperature: 20 + i / 10, running: i % 20 < 10 },
  }))
  await hub.post(telemetry('pump-7'), history)
  await hub.post(telemetry('pump-7'), { temperature: 30, running: true, mode: 'idle' })
  const { page, complaints } = await openPage(t, `${hub.url}/devices/pump-7`)
  await page.getByRole('img', { name: 'temperature, last 5 min' }).waitFor()
  await page.getByRole('img', { name: 'running, last 5 min' }).waitFor()
  await page.locator('.others').getByText('idle').waitFor()
  assert.equal(await page.title(), 'pump-7 · Mooring')

  // The cursor in the middle of the range reads a point of the history.
  await page.waitForFunction(() => document.querySelector('.no-points') === null)
  const chart = page.locator('#chart-temperature .u-over')
  const box = (await chart.boundingBox())!
  await page.mouse.move(box.x + box.width * 0.8, box.y + 40)
  await page.locator('#chart-temperature .pointed', { hasText: /2\d/ }).waitFor()
  // One cursor for all charts.
  await page.locator('#chart-running .pointed', { hasText: /true|false/ }).waitFor()

  await hub.post(telemetry('pump-7'), { temperature: 42.5, mode: 'boost' })
  await page.locator('.figures').getByText('42.5').waitFor()
  await page.locator('.others').getByText('boost').waitFor()
  await page.mouse.move(box.x + box.width - 1, box.y + 40)
  await page.locator('#chart-temperature .pointed', { hasText: '42.5' }).waitFor()

  await page.getByRole('button', { name: '24 h' }).click()
  await page.waitForURL('**/devices/pump-7?range=24h')
  await page.getByRole('img', { name: 'temperature, last 24 h' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('a device nobody has heard is told with the sentence and code of the hub', async (t) => {
  const hub = await startHub(t)
  const { page } = await openPage(t, `${hub.url}/devices/pump-7`)
  const alert = page.getByRole('alert')
  await alert.getByText('device-unknown').waitFor()
  assert.match(await alert.innerText(), /No device pump-7 has been seen/)
})

test('the hub page tells which deliveries were dropped and why, beside what was refused', async (t) => {
  const hub = await startHub(t)
  const { page, complaints } = await openPage(t, `${hub.url}/hub`)
  const drops = page.getByRole('region', { name: 'Deliveries dropped since the start' })
  await drops.getByText('No delivery has been dropped.').waitFor()
  await page.getByRole('region', { name: 'Refusals since the start' }).getByText('Nothing has been refused.').waitFor()

  const client = await moor(t, hub, 'pump-7', 5, { clean: false, properties: { sessionExpiryInterval: 60, maximumPacketSize: 100 } })
  await client.subscribe('small')
  for (let sent = 0; sent < 3; sent++) await client.publish('small', 'x'.repeat(200))
  await client.leave()
  const deaf = await moor(t, hub, 'pump-8', 5)
  deaf.answers = false
  await deaf.subscribe('kept', { qos: 1 })
  await deaf.publish('kept', 'never acknowledged', { qos: 1 })
  await deaf.leave()
  const rows = drops.locator('tbody tr')
  await rows.nth(1).waitFor()
  assert.deepEqual(
    await rows.locator('code').allInnerTexts(),
    ['too-large', 'session-ended'],
    'those that were met, the most frequent first',
  )
  assert.match(await rows.nth(0).innerText(), /^3\s/)
  assert.ok((await rows.nth(0).innerText()).includes(dropReasons['too-large']))
  assert.equal(await drops.getByText('No delivery has been dropped.').count(), 0)
  assert.deepEqual(complaints, [])
})

for (const fault of ['cut', 'freeze'] as const) {
  test(`the page says so when the hub's socket is ${fault === 'cut' ? 'cut' : 'frozen'}, and recovers by itself`, async (t) => {
    const hub = await startHub(t)
    await hub.post(telemetry('boiler-1'), { temperature: 20 })
    const cable = await openCable(t, hub.url)
    const { page } = await openPage(t, `${cable.url}/devices`)
    const row = page.getByRole('row', { name: 'boiler-1' })
    await row.getByText('20', { exact: true }).waitFor()
    await page.locator('.rail').getByText('Live', { exact: true }).waitFor()

    cable[fault]()
    await page.getByRole('status').getByText('Live view lost').waitFor({ timeout: 15_000 })
    await page.locator('.body.stale').waitFor()
    await hub.post(telemetry('boiler-1'), { temperature: 33 }) // while nobody looks

    cable.mend()
    await row.getByText('33', { exact: true }).waitFor({ timeout: 20_000 })
    await page.locator('.rail').getByText('Live', { exact: true }).waitFor()
    await hub.post(telemetry('boiler-1'), { temperature: 34 })
    await row.getByText('34', { exact: true }).waitFor()
  })
}

test('a hidden page is told nothing and knows everything once it is shown again', async (t) => {
  const hub = await startHub(t)
  await hub.post(telemetry('boiler-1'), { temperature: 20 })
  const { page, complaints } = await openPage(t, `${hub.url}/devices`)
  const row = page.getByRole('row', { name: 'boiler-1' })
  await row.getByText('20', { exact: true }).waitFor()
  const setHidden = (hidden: boolean) =>
    page.evaluate((to) => {
      Object.defineProperty(document, 'hidden', { value: to, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, hidden)

  await setHidden(true)
  await sleep(300)
  await hub.post(telemetry('boiler-1'), { temperature: 21 })
  await hub.post(telemetry('boiler-2'), { temperature: 22 })
  await sleep(500)
  assert.equal(await row.getByText('20', { exact: true }).count(), 1)

  await setHidden(false)
  await row.getByText('21', { exact: true }).waitFor()
  await page.getByRole('row', { name: 'boiler-2' }).getByText('22').waitFor()
  assert.deepEqual(complaints, [])
})

test('every page in both themes, wide and narrow, without a sideways scroll', async (t) => {
  const hub = await startHub(t)
  for (let i = 1; i <= 60; i++) await hub.post(telemetry(`pump-${i}`), { pressure: 3 + i / 100, rpm: 1_400 + i, running: i % 2 === 0 })
  await inEveryLook(t, hub.url, async ({ page, complaints, photograph }) => {
    for (const [name, path] of [
      ['devices', '/devices'],
      ['device', '/devices/pump-7'],
      ['hub', '/hub'],
    ] as const) {
      await page.goto(hub.url + path)
      await page.locator('h1 + *').waitFor()
      await sleep(600)
      await photograph(name)
    }
    assert.deepEqual(complaints, [])
  })
})
