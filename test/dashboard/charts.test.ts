// The charts of a device with a past of months: ranges, zooming, what is asked of the hub and what of its answer is drawn.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Page, Request } from 'playwright-core'
import { retention } from '../../hub/retention.ts'
import { Past } from '../../simulators/past.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { type Drawing, openPage } from './browser.ts'

const dayMs = 86_400_000
const bytesMax = 60_000
const plotBytesMax = 24_000
const device = 'thermostat-1'
const charts = ['heating', 'target', 'temperature']

interface Answer {
  readonly series: readonly {
    readonly metric: string
    readonly times: readonly number[]
    readonly values: readonly (number | boolean)[]
    readonly count: number
    readonly tiers: readonly string[]
    readonly coarse: readonly unknown[]
  }[]
}

test('a device with a past of months', async (t) => {
  const hub = await startHub(t)
  const nowMs = Date.now()
  const fromMs = nowMs - 66 * dayMs
  const silent = { fromMs: nowMs - 46 * dayMs, toMs: nowMs - 36 * dayMs }
  await generate(hub, 20, silent.fromMs)
  await generate(hub, 36, nowMs)
  await rolledUp(hub)
  const stretch = `from=${fromMs}&to=${nowMs - dayMs}`
  const address = (query: string) => `${hub.url}/devices/${device}?${query}`

  await t.test('a range is drawn from what the hub answers for its pixels, extremes kept, and says what it is made from', async (t) => {
    const { page, complaints } = await openPage(t, hub.url)
    const asked = nextQuestion(page)
    await page.goto(address('range=30d'))
    const request = await asked
    const answer = (await (await request.response())!.json()) as Answer
    const [temperature, heating] = [seriesOf(answer, 'temperature'), seriesOf(answer, 'heating')]
    assert.deepEqual(temperature.tiers.includes('hour'), true)

    const plot = page.getByRole('img', { name: 'temperature, last 30 d' })
    await page.locator('#chart-temperature .made', { hasText: /by the hour.*lows and highs of [\d\s]+ points/ }).waitFor()
    const width = (await page.locator('#chart-temperature .u-over').boundingBox())!.width
    const points = Number(new URL(request.url()).searchParams.get('points'))
    assert.ok(Math.abs(points - width * 2) <= 4, `${points} points for ${width} pixels`)
    assert.ok(temperature.times.length <= points && temperature.times.length > points / 2)

    // What the page drew has the lowest and the highest of all points that are stored.
    const all = seriesOf(
      (await hub.get(`/v1/devices/${device}/telemetry?metric=temperature&from=${nowMs - 30 * dayMs}&points=10000`)) as Answer,
    )
    assert.deepEqual(all.tiers, ['raw'])
    const [low, high] = [Math.min(...(all.values as number[])), Math.max(...(all.values as number[]))]
    assert.match((await plot.getAttribute('aria-description'))!, new RegExp(`lowest ${low}, highest ${high}, newest ${all.values.at(-1)}$`))

    // Wherever the cursor points, it reads a point of the answer.
    const texts = new Set(temperature.times.map((at, i) => `${moment(at)}  ${temperature.values[i]}`))
    for (const share of [0.11, 0.42, 0.73, 0.97]) {
      const box = (await page.locator('#chart-temperature .u-over').boundingBox())!
      await page.mouse.move(box.x + box.width * share, box.y + 40)
      const said = await page.locator('#chart-temperature .pointed').innerText()
      assert.ok(texts.has(said), said)
    }
    // True and false reach over the whole range, too.
    assert.ok(heating.times[0]! < nowMs - 29 * dayMs, new Date(heating.times[0]!).toISOString())
    assert.deepEqual(complaints, [])
  })

  await t.test('dragging over a chart asks for that stretch alone; the ways back are a double click, a button and a key', async (t) => {
    const { page, complaints } = await openPage(t, address('range=30d'))
    await page.locator('.made', { hasText: 'by the hour' }).first().waitFor()
    const zoom = async (from: number, to: number): Promise<URLSearchParams> => {
      const asked = nextQuestion(page)
      await dragOver(page, from, to)
      return new URL((await asked).url()).searchParams
    }

    const first = await zoom(0.5, 0.6)
    const [from, to] = [Number(first.get('from')), Number(first.get('to'))]
    assert.ok(Math.abs(to - from - 3 * dayMs) < dayMs / 10, `${(to - from) / dayMs} days`)
    assert.ok(Math.abs(from - (nowMs - 15 * dayMs)) < dayMs / 2)
    await page.waitForURL(`**/devices/${device}?from=${from}&to=${to}`)
    await drawnPoints(page, (to - from) / 600_000) // all points of three days fit
    assert.equal(await page.locator('#chart-temperature .made').innerText(), '')

    await zoom(0.9, 0.2)
    await page.keyboard.press('-')
    await page.waitForURL(`**/devices/${device}?from=${from}&to=${to}`)
    await page.locator('#chart-target .u-over').dblclick()
    await page.waitForURL(`**/devices/${device}?range=30d`)
    await zoom(0.1, 0.4)
    await page.getByRole('button', { name: 'Zoom out' }).click()
    await page.waitForURL(`**/devices/${device}?range=30d`)

    await page.keyboard.press('[')
    await page.waitForURL(/from=\d+&to=\d+/)
    await page.getByRole('button', { name: 'Later' }).click()
    await page.waitForURL(`**/devices/${device}?range=30d`)
    await page.keyboard.press('t')
    await page.waitForFunction(() => document.activeElement?.textContent === '30 d')
    assert.deepEqual(complaints, [])
  })

  await t.test('any other range is written into two fields', async (t) => {
    const { page, complaints } = await openPage(t, address('range=30d'), { timeZone: 'America/New_York' })
    await page.getByRole('button', { name: 'From – to' }).click()
    await page.getByLabel('From', { exact: true }).fill('2026-03-01T00:00')
    await page.getByLabel('To', { exact: true }).fill('2026-03-08T12:00:00') // summer time began in the morning
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    await page.waitForURL(`**?from=${Date.UTC(2026, 2, 1, 5)}&to=${Date.UTC(2026, 2, 8, 16)}`)
    await page.getByRole('button', { name: '1 Mar 2026, 00:00 – 8 Mar 2026, 12:00' }).waitFor()
    assert.deepEqual(complaints, [])
  })

  await t.test('a question that is out of date is taken back, and the picture stays until the next answer', async (t) => {
    const { page } = await openPage(t, address('range=7d'))
    const plot = page.locator('#chart-temperature [role=img]')
    await plot.waitFor()
    const was = await plot.getAttribute('aria-description')
    let release: () => void = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const held: Request[] = []
    await page.route('**/telemetry?*', async (route) => {
      held.push(route.request())
      await released
      await route.continue().catch(() => {}) // of those that were taken back
    })
    const failed = page.waitForEvent('requestfailed', { predicate: (request) => request === held[0] })
    await page.getByRole('button', { name: '30 d' }).click()
    while (held.length < 1) await sleep(10)
    await page.getByRole('button', { name: '1 year' }).click()
    assert.match((await failed).failure()!.errorText, /ABORTED/)

    await page.getByRole('img', { name: 'temperature, last 1 year' }).waitFor()
    assert.equal(await plot.getAttribute('aria-description'), was, 'the old points, in the new range')
    assert.equal(await page.locator('.no-points').count(), 0)
    release()
    await page.waitForFunction(
      (old) => document.querySelector('#chart-temperature [role=img]')!.getAttribute('aria-description') !== old,
      was,
    )
  })

  await t.test('live values do not make a year be asked for or drawn again, and leave a range that ended alone', async (t) => {
    const look = async (query: string, picturesMax: number) => {
      const { page } = await openPage(t, address(query))
      await page.locator('.made', { hasText: 'by the' }).first().waitFor()
      await sleep(2_500) // the newest seconds have been read once more
      let asked = 0
      page.on('request', (request) => (asked += Number(request.url().includes('/telemetry?'))))
      const says = await page.locator('#chart-temperature [role=img]').getAttribute('aria-description')
      const before = await pictures(page)
      return async () => {
        await page.locator('.figures').getByText('62', { exact: true }).waitFor() // they have all arrived
        const drawn = (await pictures(page)) - before
        assert.equal(asked, 0, query)
        assert.ok(drawn <= picturesMax, `${query}: ${drawn} pictures for 20 values`)
        assert.equal(await page.locator('#chart-temperature [role=img]').getAttribute('aria-description'), says)
      }
    }
    const looks = await Promise.all([look('range=1y', charts.length), look(stretch, 0)])
    for (let i = 1; i <= 20; i++) {
      await hub.post(`/v1/devices/${device}/telemetry`, { temperature: 60 + i / 10 })
      await sleep(50)
    }
    for (const judge of looks) await judge()
  })

  await t.test('where the device was silent nothing is drawn, and elsewhere the line does not break', async (t) => {
    const { page } = await openPage(t, address(stretch))
    await page.locator('.made', { hasText: 'by the hour' }).first().waitFor()
    await page.mouse.move(5, 5)
    const columns = await paintedColumns(page)
    const place = (atMs: number) => Math.round(((atMs - fromMs) / (65 * dayMs)) * columns.length)
    assert.deepEqual(paintedIn(columns.slice(place(silent.fromMs) + 3, place(silent.toMs) - 3)), [0], 'silent')
    assert.equal(columns.slice(3, place(silent.fromMs) - 3).indexOf(false), -1, 'before')
    assert.equal(columns.slice(place(silent.toMs) + 3, -3).indexOf(false), -1, 'after')
  })

  await t.test('days of the axis begin at local midnight, also after the clocks have changed', async (t) => {
    const zone = { timeZone: 'Europe/Zurich' }
    const midnight = (day: number) => Date.UTC(2026, 9, day) - (day <= 25 ? 2 : 1) * 3_600_000 // summer time ends on the 25th
    const { page } = await openPage(t, address(`from=${midnight(20)}&to=${midnight(31)}`), zone)
    await page.getByRole('img', { name: 'temperature' }).waitFor()
    const width = (await page.locator('#chart-temperature .u-over').boundingBox())!.width
    const words = (await drawing(page)).words.filter(({ text }) => /^\d+ Oct$/.test(text))
    assert.ok(words.length >= 3 * charts.length, JSON.stringify(words))
    const left = words[0]!.x - ((midnight(Number.parseInt(words[0]!.text, 10)) - midnight(20)) / (midnight(31) - midnight(20))) * width
    for (const { text, x } of words) {
      const at = midnight(Number.parseInt(text, 10))
      const expected = left + ((at - midnight(20)) / (midnight(31) - midnight(20))) * width
      assert.ok(Math.abs(x - expected) <= 1, `${text} at ${x}, not ${expected}`)
    }
    await page.goto(address('range=1y'))
    await page.locator('.made', { hasText: 'by the' }).first().waitFor()
    // A year bears its number. The words below a chart are there before its picture.
    await page.waitForFunction(
      (year) => (window as unknown as { drawing: Drawing }).drawing.words.some(({ text }) => text === year),
      String(new Date(nowMs).getFullYear()),
    )
  })

  await t.test('script and style that every page loads together stay below their budget', async () => {
    const page = await (await fetch(hub.url, { headers: { accept: 'text/html' } })).text()
    const assets = [...page.matchAll(/\/assets\/main-\w+\.(?:js|css)/g)].map(([path]) => path)
    assert.equal(assets.length, 2)
    const needed = new Set(assets)
    let bytes = 0
    for (const path of needed) {
      const asset = Buffer.from(await (await fetch(hub.url + path)).arrayBuffer())
      bytes += gzipSync(asset, { level: 9 }).length
      for (const [, name = ''] of asset.toString().matchAll(/(?:from|import)"\.\/([\w-]+\.js)"/g)) needed.add(`/assets/${name}`)
    }
    assert.ok(needed.size > 3, 'what the script imports is counted')
    t.diagnostic(`${bytes} bytes of script and style, gzip`)
    assert.ok(bytes < bytesMax, `${bytes} bytes`)
  })

  await t.test('what draws charts is fetched with the first of them, once, and by no other page', async (t) => {
    const { page, complaints } = await openPage(t, `${hub.url}/hub`)
    const fetched: string[] = []
    page.on('request', (request) => {
      if (request.url().includes('/uPlot')) fetched.push(new URL(request.url()).pathname)
    })
    await page.getByRole('heading', { name: 'Hub', level: 1 }).waitFor()
    await page.getByRole('link', { name: 'Devices' }).click()
    await page.locator('table.devices').waitFor()
    assert.equal(fetched.length, 0, fetched.join(' '))
    await page.route('**/uPlot*', (route) => route.abort(), { times: 1 })
    await page.getByRole('link', { name: device }).click()
    await page.getByRole('link', { name: 'Open page' }).click()
    await page.getByRole('alert').getByText('The hub did not answer.').waitFor()
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.locator('#chart-temperature canvas').waitFor()
    await page.goBack()
    await page.goForward()
    await page.locator('#chart-temperature canvas').waitFor()
    const [plotScript = '', ...more] = new Set(fetched)
    assert.deepEqual(more, [])
    const plot = Buffer.from(await (await fetch(hub.url + plotScript)).arrayBuffer())
    assert.ok(gzipSync(plot, { level: 9 }).length < plotBytesMax, `${plot.length} bytes`)
    assert.deepEqual(
      complaints.filter((one) => !one.includes('ERR_FAILED')),
      [],
    )
  })
})

test('where only hours are left of what was asked for, the chart says so', async (t) => {
  const hub = await startHub(t, { keep: retention.read('raw 5d, minute 5d') })
  const nowMs = Date.now()
  await generate(hub, 14, nowMs)
  await hub.get('/v1/store?seal=1')
  const [fromMs, toMs] = [nowMs - 12 * dayMs, nowMs - 10 * dayMs]
  const path = `/v1/devices/${device}/telemetry?metric=temperature&from=${fromMs}&to=${toMs}&points=960`
  await until(async () => ((await hub.get(path)) as Answer).series.some(({ coarse }) => coarse.length > 0))

  const { page, complaints } = await openPage(t, `${hub.url}/devices/${device}?from=${fromMs}&to=${toMs}`)
  await page.locator('#chart-temperature .made', { hasText: /^by the hour.* · only hours are left from \d+ \w+ \d{4}/ }).waitFor()
  assert.equal(
    await page.locator('#chart-temperature .made').getAttribute('title'),
    await page.locator('#chart-temperature .made').innerText(),
  )
  // One sentence for neighbouring days of the store.
  assert.equal((await page.locator('#chart-temperature .made').innerText()).match(/only hours/g)?.length, 1)
  const columns = await paintedColumns(page)
  const hour = columns.length / 48 // the first whole one begins behind the left edge
  assert.equal(columns.slice(hour + 2, -5).indexOf(false), -1, 'hours are no gaps')
  assert.deepEqual(complaints, [])
})

function generate(hub: TestHub, days: number, endMs: number): Promise<void> {
  const members = [{ profile: 'thermostat', id: device }] as const
  const past = new Past({ members, http: new URL(hub.url), seconds: days * 86_400, everySeconds: 600, endMs })
  return past.send(new AbortController().signal)
}

/** Resolves when months are answered from rollups, but for the newest days. */
async function rolledUp(hub: TestHub): Promise<void> {
  await hub.get('/v1/store?seal=1')
  const [from, to] = [Date.now() - 65 * dayMs, Date.now() - 2 * dayMs]
  const path = `/v1/devices/${device}/telemetry?metric=temperature&from=${from}&to=${to}&points=960`
  await until(async () => seriesOf((await hub.get(path)) as Answer).tiers.join() === 'hour')
}

/** Asks ten times a second. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await isSo()) return
    await sleep(100)
  }
  throw new Error(`Not within ten seconds: ${isSo}`)
}

function seriesOf(answer: Answer, metric = 'temperature'): Answer['series'][number] {
  return answer.series.find((one) => one.metric === metric)!
}

function nextQuestion(page: Page): Promise<Request> {
  return page.waitForRequest((request) => request.url().includes('/telemetry?'))
}

/** As the page tells the moment of a point in a range of 30 days. */
function moment(atMs: number): string {
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }).format(atMs)
}

async function dragOver(page: Page, from: number, to: number): Promise<void> {
  const box = (await page.locator('#chart-temperature .u-over').boundingBox())!
  await page.mouse.move(box.x + box.width * from, box.y + 40)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * ((from + to) / 2), box.y + 50)
  await page.locator('#chart-temperature .chosen:visible').waitFor()
  await page.mouse.move(box.x + box.width * to, box.y + 60)
  await page.mouse.up()
}

async function drawnPoints(page: Page, points: number): Promise<void> {
  await page.waitForFunction((expected) => {
    const said = document.querySelector('#chart-temperature [role=img]')!.getAttribute('aria-description')!
    return Math.abs(Number.parseInt(said, 10) - expected) <= 1
  }, Math.round(points))
}

function drawing(page: Page): Promise<Drawing> {
  return page.evaluate(() => (window as unknown as { drawing: Drawing }).drawing)
}

async function pictures(page: Page): Promise<number> {
  return (await drawing(page)).pictures
}

/** Of each column of pixels in the plot of temperature: whether a line goes through it. Waits for the first picture. */
async function paintedColumns(page: Page): Promise<boolean[]> {
  let columns: boolean[] = []
  await until(async () => {
    columns = await columnsNow(page)
    return columns.includes(true)
  })
  return columns
}

function columnsNow(page: Page): Promise<boolean[]> {
  return page.evaluate(() => {
    const figure = document.querySelector('#chart-temperature')!
    const canvas = figure.querySelector('canvas')!
    const over = figure.querySelector<HTMLElement>('.u-over')!
    const [left, top, width] = [over.offsetLeft, over.offsetTop, over.clientWidth].map((n) => n * devicePixelRatio) as [
      number,
      number,
      number,
    ]
    const { data } = canvas.getContext('2d')!.getImageData(left, top, width, over.clientHeight * devicePixelRatio)
    const probe = document.createElement('span')
    probe.style.color = 'var(--accent)'
    document.body.append(probe)
    const [red, green, blue] = getComputedStyle(probe).color.match(/\d+/g)!.map(Number)
    const isLine = (at: number) =>
      data[at + 3]! > 100 && Math.abs(data[at]! - red!) + Math.abs(data[at + 1]! - green!) + Math.abs(data[at + 2]! - blue!) < 150
    return Array.from({ length: width }, (_, x) => {
      for (let at = x * 4; at < data.length; at += width * 4) if (isLine(at)) return true
      return false
    })
  })
}

function paintedIn(columns: readonly boolean[]): number[] {
  return [columns.filter((painted) => painted).length]
}
