// The Explore page in a real browser: devices and metrics side by side, summed up, compared with before, and taken away as a file.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { bucketFor, choiceOf, queryFor } from '../../dashboard/src/explore.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { openPage } from './browser.ts'
import { inEveryLook } from './looks.ts'

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]

test('the address is the whole choice, there and back', () => {
  const query = new URLSearchParams('d=a&d=b&d=a&m=t&agg=p99.9&every=15m&by=tag:hall&before=1w&range=24h')
  const choice = choiceOf(query)
  assert.deepEqual([choice.devices, choice.metrics, choice.aggregate, choice.by], [['a', 'b'], ['t'], 'p99.9', 'tag:hall'])
  assert.equal(queryFor(choice, query).get('range'), '24h')
  assert.deepEqual(choiceOf(queryFor(choice)), choice)
  const wrong = choiceOf(new URLSearchParams('agg=p101&every=soon&by=colour&before=-1d'))
  assert.deepEqual([wrong.aggregate, wrong.every, wrong.by, wrong.before], ['', '', '', ''])
  assert.equal(choiceOf(new URLSearchParams('by=type')).aggregate, 'avg', 'points of several devices are no line')
})

test('buckets are as long as the picture needs, and never so short that they could not be drawn', () => {
  assert.equal(bucketFor('', dayMs, 1_200), '5m')
  assert.equal(bucketFor('', 365 * dayMs, 1_200), '1w')
  assert.equal(bucketFor('1h', dayMs, 1_200), '1h')
  assert.equal(bucketFor('1s', dayMs, 1_200), '5m')
})

test('what was chosen is drawn with its figures, and goes on live', async (t) => {
  const hub = await startHub(t)
  const nowMs = Date.now()
  await say(hub, 'pump-1', [
    [nowMs - 40_000, { temperature: 10 }],
    [nowMs - 30_000, { temperature: 20 }],
  ])
  await say(hub, 'pump-2', [
    [nowMs - 40_000, { temperature: 30, running: true }],
    [nowMs - 30_000, { temperature: 50, running: false }],
  ])
  const { page, complaints } = await openPage(t, `${hub.url}/explore?d=pump-1&d=pump-2&m=temperature&m=running`)
  await row(page, 'temperature', 'pump-1', ['20', '10', '15', '20', '2'])
  await row(page, 'temperature', 'pump-2', ['50', '30', '40', '50', '2'])
  await row(page, 'running', 'pump-1', ['–', '–', '–', '–', '0'])
  await row(page, 'running', 'pump-2', ['false', 'false', '50 % true', 'true', '2'])

  const pump = await moor(t, hub, 'pump-1', 5)
  await pump.publish('devices/pump-1/telemetry', '{"temperature":60}', { qos: 1 })
  await row(page, 'temperature', 'pump-1', ['60', '10', '30', '60', '3'])

  // The pointer over one picture reads both.
  const box = (await page.locator('#explore-temperature .u-over').boundingBox())!
  await page.mouse.move(box.x + box.width * (1 - 40 / 300), box.y + 40)
  await page.waitForFunction(() => /^\d\d:\d\d:\d\d$/.test(document.querySelector('#explore-running thead .newest')?.textContent ?? ''))
  await page.mouse.move(0, 0)
  await page.locator('#explore-running thead .newest', { hasText: 'Newest' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('devices and metrics are picked with the keyboard, and the address follows', async (t) => {
  const hub = await startHub(t)
  for (const id of ['boiler-1', 'pump-1', 'pump-2']) await say(hub, id, [[Date.now() - 1_000, { pressure: 3, temperature: 20 }]])
  await describe(hub, 'pump-1', { type: 'pump', tags: { hall: 'North 1' } })
  const { page, complaints } = await openPage(t, hub.url)
  await page.waitForFunction(() => document.activeElement?.localName === 'main') // from then on keys are heard
  await page.keyboard.press('g')
  await page.keyboard.press('e')
  await page.waitForURL('**/explore')
  await page.getByRole('link', { name: 'pressure of 3 devices' }).waitFor()
  await page.keyboard.press('/')
  const devices = page.getByRole('combobox', { name: 'Add a device' })
  await page.keyboard.type('pump')
  await page.getByRole('option', { name: 'pump-2' }).waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/explore?d=pump-1')
  await page.keyboard.type('pump-2')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/explore?d=pump-1&d=pump-2')
  await page.getByRole('link', { name: 'temperature', exact: true }).waitFor()
  await page.getByRole('combobox', { name: 'Add a metric' }).fill('temp')
  await page.getByRole('option', { name: /temperature\s*on 2/ }).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/explore?d=pump-1&d=pump-2&m=temperature')
  await row(page, 'temperature', 'pump-2', ['20', '20', '20', '20', '1'])

  await page.getByRole('button', { name: 'Remove pump-1' }).click()
  await page.waitForURL('**/explore?d=pump-2&m=temperature')
  await devices.fill('hall:north')
  await page.getByRole('option', { name: 'tag:hall:North 1' }).click()
  await page.waitForURL('**/explore?tag=hall%3ANorth+1&m=temperature')
  await row(page, 'temperature', 'pump-1', ['20', '20', '20', '20', '1'])
  assert.deepEqual(complaints, [])
})

test('summed up into buckets, one line per value of a tag, beside the week before', async (t) => {
  const hub = await startHub(t)
  const startMs = Math.floor((Date.now() - 12 * hourMs) / hourMs) * hourMs
  const hour = (at: number, values: readonly number[]) => values.map((flow, i) => [at + i * 10 * minuteMs, { flow }] as const)
  await say(hub, 'pump-1', [...hour(startMs, [1, 2, 3]), ...hour(startMs - 7 * dayMs, [100, 100, 400])])
  await say(hub, 'pump-2', hour(startMs, [4, 5, 9]))
  await say(hub, 'pump-3', hour(startMs, [7, 7, 7]))
  await describe(hub, 'pump-1', { tags: { hall: 'north' } })
  await describe(hub, 'pump-2', { tags: { hall: 'north' } })
  const both = 'd=pump-1&d=pump-2&d=pump-3&m=flow&range=24h'
  const { page, complaints } = await openPage(t, `${hub.url}/explore?${both}`)
  await row(page, 'flow', 'pump-1', ['3', '1', '2', '3', '3'])
  await page.getByRole('combobox', { name: 'Lines' }).selectOption({ label: 'One per hall' })
  await page.waitForURL('**agg=avg&by=tag%3Ahall**')
  await row(page, 'flow', 'north', [/./, /./, '4', /./, '6'])
  await row(page, 'flow', 'no hall', ['7', '7', '7', '7', '3'])
  await page.getByRole('combobox', { name: 'per' }).selectOption('1h')
  await row(page, 'flow', 'north', ['4', '4', '4', '4', '6'])
  await page.getByRole('combobox', { name: 'Show' }).selectOption('max')
  await row(page, 'flow', 'north', ['9', '9', '9', '9', '6'])
  await page.getByRole('combobox', { name: 'Compare' }).selectOption('1w')
  await row(page, 'flow', 'north, 1 week before', ['400', '400', '400', '400', '3'])
  await page.goto(`${hub.url}/explore?${both}&before=1w`)
  await row(page, 'flow', 'pump-1, 1 week before', ['400', '100', '200', '400', '3'])
  assert.equal(await page.locator('#explore-flow .earlier').count(), 3)

  const saving = page.waitForEvent('download')
  await page.getByRole('button', { name: 'What is drawn as CSV' }).click()
  const drawn = (await readFile((await (await saving).path())!, 'utf8')).split('\r\n')
  assert.equal(drawn[0], 'line,metric,time,value,before')
  assert.ok(drawn.includes(`pump-1,flow,${new Date(startMs).toISOString()},1,`))
  assert.ok(drawn.includes(`pump-1,flow,${new Date(startMs - 7 * dayMs).toISOString()},100,${7 * dayMs}`), drawn.join('\n'))
  assert.equal(drawn.length, 1 + 12 + 1)
  const following = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Every point as CSV' }).click()
  const stored = (await readFile((await (await following).path())!, 'utf8')).trim().split('\r\n')
  assert.equal(stored[0], 'device,metric,time,value')
  assert.equal(stored.length, 1 + 9)
  assert.deepEqual(complaints, [])
})

test('buckets that end now are read again while they fill', async (t) => {
  const hub = await startHub(t)
  const nowMs = Date.now()
  await say(hub, 'pump-1', [[nowMs - 60_000, { flow: 1 }]])
  const { page } = await openPage(t, `${hub.url}/explore?d=pump-1&m=flow&agg=sum`)
  await row(page, 'flow', 'pump-1', ['1', '1', '1', '1', '1'])
  await say(hub, 'pump-1', [[nowMs - 30_000, { flow: 4 }]])
  await row(page, 'flow', 'pump-1', ['4', '1', '2.5', '4', '2'])
})

test('eight lines are drawn, the sixth with a dash, and the rest are counted', async (t) => {
  const hub = await startHub(t)
  for (let i = 10; i < 21; i++) await say(hub, `pump-${i}`, [[Date.now() - 20_000, { flow: i }]])
  await say(hub, 'quiet-1', [[Date.now() - 20_000, { other: 1 }]])
  for (let i = 10; i < 21; i++) await describe(hub, `pump-${i}`, { type: 'pump' })
  await describe(hub, 'quiet-1', { type: 'pump' })
  const { page } = await openPage(t, `${hub.url}/explore?type=pump&m=flow`)
  await page.getByText('The first 8 lines; 3 more are not drawn.').waitFor()
  assert.equal(await page.locator('#explore-flow tbody tr').count(), 8)
  const dashes = await page
    .locator('#explore-flow .swatch path')
    .evaluateAll((paths) => paths.map((path) => path.hasAttribute('stroke-dasharray')))
  assert.deepEqual(dashes, [false, false, false, false, false, true, true, true])
})

test('the pointer reads what each line says at its moment, and nothing where a device was silent', async (t) => {
  const hub = await startHub(t)
  const fromMs = Math.floor(Date.now() / minuteMs - 120) * minuteMs
  const minutes = Array.from({ length: 60 }, (_, i) => i)
  const points = (held: (minute: number) => boolean, value: (minute: number) => number) =>
    minutes.filter(held).map((minute) => [fromMs + minute * minuteMs, { flow: value(minute) }] as const)
  await say(
    hub,
    'pump-1',
    points(
      (minute) => minute < 25 || minute > 45,
      (minute) => minute,
    ),
  )
  await say(
    hub,
    'pump-2',
    points(
      () => true,
      (minute) => 100 + minute,
    ),
  )
  for (const query of ['', '&agg=max&every=1m']) {
    const { page } = await openPage(t, `${hub.url}/explore?d=pump-1&d=pump-2&m=flow&from=${fromMs}&to=${fromMs + 60 * minuteMs}${query}`)
    await row(page, 'flow', 'pump-1', ['59', '0', /./, '59', '39'])
    const box = (await page.locator('#explore-flow .u-over').boundingBox())!
    const pointAt = (minute: number) => page.mouse.move(box.x + (box.width * minute) / 60, box.y + 40)
    await pointAt(10)
    await row(page, 'flow', 'pump-1', ['10', '0', /./, '59', '39'])
    await row(page, 'flow', 'pump-2', ['110', '100', '129.5', '159', '60'])
    await pointAt(35)
    await row(page, 'flow', 'pump-1', ['–', '0', /./, '59', '39'])
    await row(page, 'flow', 'pump-2', ['135', '100', '129.5', '159', '60'])
  }
})

test('of more points than can be drawn, the mean is that of all of them', async (t) => {
  const hub = await startHub(t)
  const nowMs = Date.now()
  // Of a stretch the lowest and the highest are drawn: 0 and 100, whose mean says nothing.
  const points = Array.from({ length: 6_000 }, (_, i) => [nowMs - 3_000_000 + i * 500, { flow: i % 50 === 7 ? 100 : 0 }] as const)
  for (let i = 0; i < points.length; i += 1_000) await say(hub, 'pump-1', points.slice(i, i + 1_000))
  const { page } = await openPage(t, `${hub.url}/explore?d=pump-1&m=flow&range=1h`, { width: 390 })
  await row(page, 'flow', 'pump-1', ['0', '0', '2', '100', '6\u202f000'])
  await page.locator('#explore-flow .made', { hasText: /lows and highs of 6.000 points/ }).waitFor()
})

test('a drag zooms all pictures, a key goes back, and a question the hub refuses is told in its words', async (t) => {
  const hub = await startHub(t)
  await say(hub, 'pump-1', [[Date.now() - 20_000, { flow: 1, word: 'on' }]])
  const { page } = await openPage(t, `${hub.url}/explore?d=pump-1&m=flow&range=1h`)
  await row(page, 'flow', 'pump-1', ['1', '1', '1', '1', '1'])
  const box = (await page.locator('#explore-flow .u-over').boundingBox())!
  await page.mouse.move(box.x + box.width * 0.2, box.y + 50)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.4, box.y + 50)
  await page.mouse.up()
  await page.waitForURL('**/explore?d=pump-1&m=flow&from=*&to=*')
  await page.getByText('No points in this range').waitFor()
  await page.keyboard.press('-')
  await page.waitForURL('**/explore?d=pump-1&m=flow&range=1h')
  await page.goto(`${hub.url}/explore?group=nobody&m=flow`)
  await page.getByRole('alert').getByText('group-unknown').waitFor()
  await page.goto(`${hub.url}/explore?d=no-such-pump&m=flow`)
  await row(page, 'flow', 'no-such-pump', ['–', '–', '–', '–', '0'])
})

test('in both themes, wide and narrow, without a sideways scroll', async (t) => {
  const hub = await startHub(t)
  const nowMs = Date.now()
  for (let device = 1; device <= 7; device++) {
    for (const shiftMs of [0, dayMs]) {
      const points = Array.from({ length: 144 }, (_, i) => {
        const at = nowMs - shiftMs - i * 10 * minuteMs
        const wave = Math.sin((at / dayMs) * 2 * Math.PI + device / 3) * 4
        return [
          at,
          {
            temperature: round(20 + device * 2 + wave + (shiftMs === 0 ? 0 : 1)),
            pressure: round(1_013 + wave * device),
            running: i % 40 < 20 + device,
          },
        ] as const
      }).filter((_, i) => device !== 2 || i < 60 || i > 80)
      await say(hub, `pump-${device}`, points)
    }
    await describe(hub, `pump-${device}`, { type: 'pump', tags: { hall: device < 4 ? 'north' : 'south' } })
  }
  const two = 'd=pump-1&d=pump-2&m=temperature&m=pressure&m=running&range=24h'
  await inEveryLook(t, `${hub.url}/explore`, async ({ page, complaints, photograph }) => {
    await page.getByRole('link', { name: 'pressure of 5 devices' }).waitFor()
    await photograph('explore-empty')
    await page.goto(`${hub.url}/explore?d=pump-1`)
    await page.getByRole('heading', { name: 'Which metrics?' }).waitFor()
    await page.getByRole('combobox', { name: 'Add a device' }).fill('pu')
    await page.getByRole('option').first().waitFor()
    await photograph('explore-picking')
    await page.goto(`${hub.url}/explore?${two}`)
    await row(page, 'pressure', 'pump-2', [/\d/, /\d/, /\d/, /\d/, /\d/])
    await row(page, 'temperature', 'pump-1', [/\d/, /\d/, /\d/, /\d/, /\d/])
    await photograph('explore-two')
    await page.goto(`${hub.url}/explore?${two}&before=1d`)
    await row(page, 'temperature', 'pump-1, 1 day before', [/\d/, /\d/, /\d/, /\d/, /\d/])
    await photograph('explore-before')
    await page.goto(`${hub.url}/explore?type=pump&m=temperature&range=24h`)
    await row(page, 'temperature', 'pump-7', [/\d/, /\d/, /\d/, /\d/, /\d/])
    await photograph('explore-many')
    await page.goto(`${hub.url}/explore?type=pump&m=temperature&range=24h&by=tag:hall&agg=p95&every=1h`)
    await row(page, 'temperature', 'south', [/\d/, /\d/, /\d/, /\d/, /\d/])
    await photograph('explore-summed')
    assert.deepEqual(complaints, [])
  })
})

/** Waits until the row of a line says this: newest, lowest, average, highest, points. */
async function row(page: Page, metric: string, name: string, figures: readonly (string | RegExp)[]): Promise<void> {
  const wanted = figures.map((one) => (typeof one === 'string' ? `^${one.replace(/[.%]/g, '\\$&')}$` : one.source))
  await page.locator(`#explore-${metric}`).waitFor()
  try {
    await page.waitForFunction(
      ([metric, name, wanted]) => {
        const rows = [...document.querySelectorAll(`#explore-${metric} tbody tr`)]
        const row = rows.find((one) => one.querySelector('th')?.textContent?.trim() === name)
        const texts = [...(row?.querySelectorAll('td') ?? [])].map((cell) => cell.textContent ?? '')
        return texts.length === wanted.length && texts.every((text, i) => new RegExp(wanted[i]!).test(text))
      },
      [metric, name, wanted] as const,
    )
  } catch (error) {
    throw new Error(`${name} of ${metric}: ${await page.locator(`#explore-${metric} table`).innerText()}`, { cause: error })
  }
}

async function say(hub: TestHub, device: string, points: readonly (readonly [atMs: number, values: object])[]): Promise<void> {
  const response = await hub.post(
    `/v1/devices/${device}/telemetry`,
    points.map(([ts, values]) => ({ ts, values })),
  )
  assert.equal(response.status, 200, await response.clone().text())
}

async function describe(hub: TestHub, device: string, change: object): Promise<void> {
  const response = await fetch(`${hub.url}/v1/devices/${device}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(change),
  })
  assert.equal(response.status, 200, await response.clone().text())
}

function round(n: number): number {
  return Math.round(n * 10) / 10
}
