// Addresses and pages. The address bar is the only place that knows what is shown: a link can be sent to someone.
import { signal } from '@preact/signals'

export type Route =
  | { readonly page: 'overview' }
  | { readonly page: 'devices' }
  | { readonly page: 'device'; readonly deviceId: string }
  | { readonly page: 'messages' }
  | { readonly page: 'commands' }
  | { readonly page: 'explore' }
  | { readonly page: 'hub' }
  | { readonly page: 'settings' }
  | { readonly page: 'account' }
  | { readonly page: 'setup' }
  | { readonly page: 'nothing'; readonly path: string }

export const route = signal<Route>({ page: 'overview' })

/** The part after `?`: the filter, the order, the time range. */
export const query = signal<URLSearchParams>(new URLSearchParams())

export function routeOf(path: string): Route {
  const [first = '', second, ...more] = path.split('/').slice(1)
  if (more.length === 0 && second !== undefined && second !== '' && first === 'devices') {
    try {
      return { page: 'device', deviceId: decodeURIComponent(second) }
    } catch {
      return { page: 'nothing', path } // a % that encodes nothing
    }
  }
  if (second !== undefined && second !== '') return { page: 'nothing', path }
  if (first === '') return { page: 'overview' }
  if (first === 'devices') return { page: 'devices' }
  if (first === 'messages') return { page: 'messages' }
  if (first === 'commands') return { page: 'commands' }
  if (first === 'explore') return { page: 'explore' }
  if (first === 'hub') return { page: 'hub' }
  if (first === 'settings') return { page: 'settings' }
  if (first === 'account') return { page: 'account' }
  if (first === 'setup') return { page: 'setup' }
  return { page: 'nothing', path }
}

export function devicePath(deviceId: string): string {
  return `/devices/${encodeURIComponent(deviceId)}`
}

/** Shows another page as if a link to it had been followed. */
export function go(address: string): void {
  // The place in the old page is kept with its history entry, so that Back returns to the same rows.
  history.replaceState({ top: scroller()?.scrollTop ?? 0 }, '')
  history.pushState(null, '', address)
  read()
  scroller()?.scrollTo(0, 0)
  scroller()?.focus({ preventScroll: true })
}

/** Changes one parameter without a new history entry: nobody wants to go back letter by letter. */
export function setQuery(name: string, value: string): void {
  setQueries({ [name]: value })
}

/** The same of several; an empty one is taken away. */
export function setQueries(values: Readonly<Record<string, string>>): void {
  const changed = new URLSearchParams(query.peek())
  for (const [name, value] of Object.entries(values)) {
    if (value === '') changed.delete(name)
    else changed.set(name, value)
  }
  replaceQuery(changed)
}

/** The whole of it, for a page whose parameters may repeat. */
export function replaceQuery(changed: URLSearchParams): void {
  const text = changed.toString()
  history.replaceState(history.state, '', text === '' ? location.pathname : `${location.pathname}?${text}`)
  query.value = changed
}

export function startRouter(): void {
  read()
  addEventListener('popstate', (event: PopStateEvent) => {
    read()
    const kept: unknown = event.state
    const top = typeof kept === 'object' && kept !== null && 'top' in kept ? Number(kept.top) : 0
    requestAnimationFrame(() => scroller()?.scrollTo(0, top)) // after the page has its rows again
  })
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target !== '') return
    // Anything that is no page of ours (the API's documentation, a download) is left to the browser.
    if (link.origin !== location.origin || link.hash !== '' || routeOf(link.pathname).page === 'nothing') return
    event.preventDefault()
    go(link.pathname + link.search)
  })
}

function read(): void {
  query.value = new URLSearchParams(location.search)
  route.value = routeOf(location.pathname)
}

function scroller(): HTMLElement | null {
  return document.querySelector('main')
}
