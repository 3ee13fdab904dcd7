// A real browser for a test: headless Chromium from npm, or the system's when that cannot run. One for all tests of a file;
// each test has its own context, gone after it.
import { existsSync } from 'node:fs'
import { after, type TestContext } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { password } from '../kit/browser-like.ts'

export interface Look {
  readonly width?: number
  readonly height?: number
  readonly theme?: 'light' | 'dark'
  /** Trusts every certificate, as a person does who clicks through the warning. */
  readonly trusting?: boolean
  /** IANA name; without it the machine's. */
  readonly timeZone?: string
  /** The browser's language; without it English. */
  readonly locale?: string
  /** Asks for reduced motion. */
  readonly calm?: boolean
}

export interface Watched {
  readonly page: Page
  /** What the browser complained about: console errors, uncaught errors, refused by the content security policy. */
  readonly complaints: string[]
}

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]
const systemChromium = '/usr/bin/chromium'
let browser: Promise<Browser> | undefined

after(async () => {
  await (await browser)?.close()
})

/** A page that stands open until the test ends. */
export async function openPage(
  t: TestContext,
  url: string,
  { width = 1440, height = 900, theme = 'dark', trusting = false, timeZone, locale = 'en-US', calm = false }: Look = {},
): Promise<Watched> {
  browser ??= launch()
  const zone = timeZone === undefined ? {} : { timezoneId: timeZone }
  const context = await (await browser).newContext({
    viewport: { width, height },
    colorScheme: theme,
    ignoreHTTPSErrors: trusting,
    locale,
    reducedMotion: calm ? 'reduce' : 'no-preference',
    ...zone,
  })
  await context.addInitScript(recordDrawing)
  t.after(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.text().includes('Content Security Policy')) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(url)
  return { page, complaints }
}

export async function logIn(page: Page, name: string, secret = password): Promise<void> {
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password', { exact: true }).fill(secret)
  await page.keyboard.press('Enter')
}

/** By how many pixels the page, or what is in it, is wider than the screen. */
export function sidewaysOf(page: Page): Promise<number> {
  return page.evaluate(() => Math.max(...[document.body, document.querySelector('main')!].map((e) => e.scrollWidth - e.clientWidth)))
}

/** WCAG 2 contrast of the text of an element on the nearest background behind it. */
export function contrastOf(page: Page, selector: string): Promise<number> {
  return page.evaluate((wanted) => {
    const element = document.querySelector(wanted) as Element
    const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number)
    const luminance = (colour: string) => {
      const [r = 0, g = 0, b = 0] = channels(colour).map((value) => {
        const part = value / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    let behind: Element | null = element
    while (behind !== null && getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement
    const [text, page] = [getComputedStyle(element).color, getComputedStyle(behind ?? document.body).backgroundColor].map(luminance) as [
      number,
      number,
    ]
    return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05)
  }, selector)
}

/** What the page has drawn on its canvases so far. */
export interface Drawing {
  /** Whole pictures. */
  pictures: number
  /** Words, in their order, with their place from the left. */
  words: { readonly text: string; readonly x: number }[]
}

/** In the page, before anything else. A canvas cannot be asked what is written on it. */
function recordDrawing(): void {
  const drawing: Drawing = { pictures: 0, words: [] }
  Object.assign(window, { drawing })
  const { clearRect, fillText } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.clearRect = function (...where) {
    drawing.pictures++
    clearRect.apply(this, where)
  }
  CanvasRenderingContext2D.prototype.fillText = function (text, x, ...more) {
    drawing.words.push({ text, x: x / devicePixelRatio })
    fillText.call(this, text, x, ...more)
  }
}

async function launch(): Promise<Browser> {
  // The package then unpacks the libraries it needs itself, so that a bare Debian can run it; read when it is imported.
  process.env['AWS_EXECUTION_ENV'] ??= 'AWS_Lambda_nodejs24.x'
  try {
    // Not its own flags: they turn off web security and put all pages into one process, which ends with the first of them.
    const { default: packed } = await import('@sparticuz/chromium')
    return await chromium.launch({ executablePath: await packed.executablePath(), args: flags, headless: true })
  } catch (error) {
    if (!existsSync(systemChromium)) throw error
    return await chromium.launch({ executablePath: systemChromium, args: flags, headless: true })
  }
}
