// The commands page in a real browser: what becomes of each is seen as it happens, and many devices are asked at once.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor, type TestClient } from '../kit/mqtt.ts'
import { reply } from '../routing/commands/kit.ts'
import { openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const rows = '.asked tbody tr:not(.space)'

async function ask(hub: TestHub, device: string, command: object): Promise<string> {
  const response = await hub.post(`/v1/devices/${device}/commands`, command)
  assert.equal(response.status, 201, await response.clone().text())
  return ((await response.json()) as { id: string }).id
}

/** Devices on record; those of `awake` are connected and listen to what they are asked. */
async function fleet(t: TestContext, hub: TestHub, ids: readonly string[], awake: readonly string[] = []): Promise<TestClient[]> {
  for (const id of ids) await hub.post(`/v1/devices/${id}/telemetry`, { speed: 1 })
  const clients: TestClient[] = []
  for (const id of awake) {
    const client = await moor(t, hub, id, 5)
    await client.subscribe(`devices/${id}/commands/+`, { qos: 1 })
    clients.push(client)
  }
  return clients
}

async function answer(client: TestClient, said: object): Promise<void> {
  await reply(client, await client.next('publish'), said)
}

test('a command appears, and each of its steps, while the page stands open', async (t) => {
  const hub = await startHub(t)
  const [pump] = await fleet(t, hub, ['pump-7', 'pump-8'], ['pump-7'])
  const { page, complaints } = await openPage(t, `${hub.url}/commands`)
  await page.getByRole('heading', { name: 'Nothing has been asked of a device yet' }).waitFor()
  await page.getByText('0 waiting').waitFor()

  await ask(hub, 'pump-8', { name: 'sleep' })
  await page.locator(rows).filter({ hasText: 'sleep' }).getByText('Waiting').waitFor()
  await page.getByText('1 waiting').waitFor()
  await ask(hub, 'pump-7', { name: 'stop', params: { speed: 0, valves: [{ open: false }] } })
  const row = page.locator(rows).filter({ hasText: 'stop' })
  await row.getByText('Received').waitFor()
  await page.getByText('1 under way').waitFor()
  assert.deepEqual(await page.locator(`${rows} .name`).allInnerTexts(), ['stop', 'sleep'], 'the newest first')

  await row.locator('td.state').click()
  const aside = page.getByRole('complementary', { name: 'Command' })
  await aside.getByRole('table', { name: 'Parameters' }).getByRole('row', { name: 'valves[0].open false' }).waitFor()
  await answer(pump!, { status: 'failed', reason: 'no pressure', result: { pressure: 0.2 } })
  await row.getByText('Failed').waitFor()
  await page.getByText('1 failed today').waitFor()
  const steps = aside.getByRole('list', { name: 'Timeline' }).getByRole('listitem')
  await steps.filter({ hasText: 'no pressure' }).waitFor()
  assert.match(
    (await steps.allInnerTexts()).join(' '),
    /^queued \d\d:\d\d:\d\d\.\d{3} sent \+[\d.]+ m?s received \+[\d.]+ m?s failed \+[\d.]+ m?s · no pressure$/,
  )
  await aside.getByRole('table', { name: 'Result' }).getByRole('row', { name: 'pressure 0.2' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('the filter is the address: by state, device and name, and by a part of both', async (t) => {
  const hub = await startHub(t)
  await fleet(t, hub, ['pump-1', 'pump-2', 'boiler'])
  await ask(hub, 'pump-1', { name: 'stop' })
  await ask(hub, 'pump-2', { name: 'start' })
  await ask(hub, 'boiler', { name: 'stop' })
  const { page } = await openPage(t, `${hub.url}/commands?q=name:stop`)
  const shown = (...names: string[]) =>
    page.waitForFunction(
      ([selector, wanted]) => [...document.querySelectorAll(`${selector} .device`)].map((cell) => cell.textContent).join() === wanted,
      [rows, names.join()] as const,
    )
  await shown('boiler', 'pump-1')
  await page.keyboard.press('/')
  for (const [text, devices] of [
    ['device:pump-2', ['pump-2']],
    ['pump', ['pump-2', 'pump-1']],
    ['state:queued name:start', ['pump-2']],
  ] as const) {
    await page.keyboard.press('Control+A')
    await page.keyboard.type(text)
    await shown(...devices)
  }
  assert.equal(new URL(page.url()).searchParams.get('q'), 'state:queued name:start')
  await page.getByRole('searchbox').fill('state:failed')
  await page.getByText('No command matches this filter.').waitFor()
  await page.getByRole('link', { name: '3 waiting' }).click()
  await shown('boiler', 'pump-2', 'pump-1')
})

test('what waits is cancelled, and asked again', async (t) => {
  const hub = await startHub(t)
  await fleet(t, hub, ['pump-7'])
  const id = await ask(hub, 'pump-7', { name: 'stop', params: { speed: 0 }, expiresInSeconds: 600 })
  const { page } = await openPage(t, `${hub.url}/commands`)
  await page.locator(rows).waitFor()
  await page.keyboard.press('j')
  await page.waitForFunction(() => document.activeElement?.textContent === 'stop')
  await page.keyboard.press('Enter')
  const aside = page.getByRole('complementary', { name: 'Command' })
  await aside.getByText('Given up at').waitFor()
  await aside.getByRole('button', { name: 'Cancel' }).click()
  await page.locator(rows).getByText('Cancelled').waitFor()
  await aside.getByRole('button', { name: 'Send again' }).click()
  await page.locator(rows).filter({ hasText: 'Waiting' }).waitFor()
  assert.equal(await page.locator(rows).count(), 2)
  const { commands } = (await hub.get('/v1/commands')) as {
    commands: { id: string; params: unknown; createdAt: number; expiresAt: number }[]
  }
  assert.equal(commands[1]?.id, id)
  assert.deepEqual(commands[0]?.params, { speed: 0 })
  assert.equal(commands[0]!.expiresAt - commands[0]!.createdAt, 600_000)
})

test('many are asked once it is known whom it reaches and the number is typed; the rest is cancelled', async (t) => {
  const hub = await startHub(t)
  const ids = ['pump-1', 'pump-2', 'pump-3']
  const [pump] = await fleet(t, hub, [...ids, 'boiler'], ['pump-1'])
  for (const id of ids) {
    const response = await fetch(`${hub.url}/v1/devices/${id}`, { method: 'PATCH', body: '{"tags":{"site":"north"}}' })
    assert.equal(response.status, 200)
  }
  const { page, complaints } = await openPage(t, `${hub.url}/commands`)
  await page.getByRole('button', { name: 'Ask many …' }).click()
  const form = page.getByRole('complementary', { name: 'Ask many devices' })
  await form.getByText('Choose at least one of these.').waitFor()
  await form.getByLabel('Tags').fill('site:south')
  await form.getByText('Reaches no device.').waitFor()
  assert.equal(await form.getByRole('button', { name: 'Ask …' }).isDisabled(), true)
  await form.getByLabel('Tags').fill('site:north')
  await form.getByText('Reaches 3 devices.').waitFor()
  await form.getByLabel('Command').fill('update')
  await form.getByLabel('Name of parameter 1').fill('to')
  await form.getByLabel('Value of parameter 1').fill('2')
  await form.getByRole('button', { name: 'JSON' }).click()
  assert.deepEqual(JSON.parse(await form.getByRole('textbox', { name: 'Parameters' }).inputValue()), { to: 2 })
  await form.getByRole('button', { name: 'Ask 3 …' }).click()
  const dialog = page.getByRole('dialog')
  const confirm = dialog.getByRole('button', { name: 'Ask them' })
  await dialog.getByRole('textbox').fill('4')
  assert.equal(await confirm.isDisabled(), true)
  await dialog.getByRole('textbox').fill('3')
  await confirm.click()

  const bulk = page.getByRole('complementary', { name: 'Command to many' })
  await answer(pump!, { status: 'done' })
  await bulk.getByText('1 of 3').waitFor()
  await bulk.getByRole('row', { name: 'pump-1 Done' }).waitFor()
  await bulk.getByRole('row', { name: 'pump-3 Waiting' }).waitFor()
  await bulk.getByRole('button', { name: 'Cancel the rest …' }).click()
  await dialog.getByRole('textbox').fill('update')
  await dialog.getByRole('button', { name: 'Cancel them' }).click()
  await bulk.getByText('All are over').waitFor()
  await bulk.getByRole('row', { name: 'pump-3 Cancelled' }).waitFor()
  await bulk.getByRole('link', { name: 'As a list' }).click()
  await page.locator(rows).nth(2).waitFor()
  assert.deepEqual(complaints, [])
})

test('a target nobody has heard of is refused where it was asked', async (t) => {
  const hub = await startHub(t)
  await fleet(t, hub, ['pump-1'])
  const { page } = await openPage(t, `${hub.url}/commands`)
  await page.getByRole('button', { name: 'Ask many …' }).click()
  const form = page.getByRole('complementary', { name: 'Ask many devices' })
  await form.getByRole('button', { name: 'By id' }).click()
  await form.getByLabel('Device ids').fill('pump-1 nobody')
  await form.getByText('Reaches 2 devices.').waitFor()
  await form.getByLabel('Command').fill('stop')
  await form.getByRole('button', { name: 'Ask 2 …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox').fill('2')
  await dialog.getByRole('button', { name: 'Ask them' }).click()
  await dialog.getByRole('alert').filter({ hasText: 'nobody' }).waitFor()
})

test('commands in both themes, wide and narrow, without a sideways scroll', async (t) => {
  const hub = await startHub(t)
  const ids = Array.from({ length: 12 }, (_, i) => `pump-${i}`)
  const [pump] = await fleet(t, hub, ids, ['pump-0'])
  for (const id of ids)
    await ask(hub, id, { name: id === 'pump-3' ? 'restart' : 'set-speed', params: { speed: 1_200, ramp: { seconds: 5 } } })
  await answer(pump!, { status: 'done', result: { speed: 1_198.5, mode: 'auto' } })
  await hub.post('/v1/commands', { devices: ids, name: 'update', params: { to: '2.4.1' }, concurrency: 5 })
  await answer(pump!, { status: 'failed', reason: 'no room' })
  await inEveryLook(t, `${hub.url}/commands`, async ({ page, complaints, photograph }) => {
    await page.locator(rows).nth(5).waitFor()
    await page.getByText('1 failed today').waitFor()
    await photograph('commands')
    await page.getByRole('searchbox').fill('device:pump-0 name:set-speed')
    await page.waitForFunction((selector) => document.querySelectorAll(selector).length === 1, rows)
    await page.locator(`${rows} .name`).click()
    await page.getByRole('table', { name: 'Result' }).waitFor()
    await photograph('commands-one')
    await page.goto(`${hub.url}/commands?view=bulks`)
    await page.getByRole('button', { name: 'update' }).click()
    await page.getByRole('row', { name: 'pump-0 Failed no room' }).waitFor()
    await photograph('commands-bulk')
    await page.getByRole('button', { name: 'Ask many …' }).click()
    await page.getByLabel('Over only when a metric says so').check()
    await photograph('commands-ask')
    assert.deepEqual(complaints, [])
  })
})
