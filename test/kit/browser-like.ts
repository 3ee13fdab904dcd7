// What a browser does for a person who logs in: it keeps the cookie, sends it along, and says from which page it asks.
import assert from 'node:assert/strict'
import type { InProcessHub } from './hub.ts'

export const password = 'nine green bottles'

export interface Answered {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Headers
}

export class BrowserLike {
  readonly url: string
  /** `name=value`; undefined before it was set. */
  cookie: string | undefined
  /** Its last Set-Cookie, whole. */
  setCookie = ''

  constructor(url: string) {
    this.url = url
  }

  /** `origin` null: it says nothing of its page. */
  async ask(method: string, path: string, body?: object, headers: Record<string, string> = {}, origin: string | null = this.url) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(this.cookie === undefined ? {} : { cookie: this.cookie }),
        ...(origin === null ? {} : { origin }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const set = response.headers.get('set-cookie')
    if (set !== null) {
      this.setCookie = set
      const [pair = ''] = set.split(';')
      this.cookie = pair.endsWith('=') ? undefined : pair
    }
    const text = await response.text()
    const said: unknown = text.startsWith('{') ? JSON.parse(text) : {}
    return { status: response.status, body: said as Answered['body'], headers: response.headers } satisfies Answered
  }

  logIn(name: string, secret = password, code?: string): Promise<Answered> {
    return this.ask('POST', '/v1/login', { name, password: secret, code })
  }
}

/** A browser whose user has just set up the hub. */
export async function firstAdmin(hub: InProcessHub, name = 'ada'): Promise<BrowserLike> {
  const browser = new BrowserLike(hub.url)
  const { status, body } = await browser.ask('POST', '/v1/setup', { token: hub.hub.setUpToken, name, password })
  assert.deepEqual([status, body], [200, { name, role: 'admin' }])
  return browser
}

/** Another user, in a browser of his own. */
export async function newUser(admin: BrowserLike, name: string, role: string): Promise<BrowserLike> {
  const made = await admin.ask('POST', '/v1/users', { name, role, password })
  assert.equal(made.status, 200, JSON.stringify(made.body))
  const browser = new BrowserLike(admin.url)
  assert.equal((await browser.logIn(name)).status, 200)
  return browser
}
