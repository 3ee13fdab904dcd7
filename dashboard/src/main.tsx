// The dashboard: one page that changes with its address. State comes by the live socket (state.ts), pages read it.
import './locale.ts' // first: see there

import { effect } from '@preact/signals'
import { render } from 'preact'
import { speak } from './language.ts'
import { startMe, viewer } from './me.ts'
import { DevicesPage } from './pages/devices.tsx'
import { LoginPage } from './pages/login.tsx'
import { OverviewPage } from './pages/overview.tsx'
import { SetupPage } from './pages/setup.tsx'
import { Bands } from './parts/bands.tsx'
import { fetched } from './parts/fetched.tsx'
import { KeysDialog, paletteShown, startKeys } from './parts/keys.tsx'
import { Rail } from './parts/rail.tsx'
import { startTheme } from './parts/theme.ts'
import { startPulse } from './pulse.ts'
import { type Route, route, startRouter } from './router.ts'
import { stale, startLive } from './state.ts'
import { words } from './words.ts'
import './style/main.css'

// What is looked at first, and what comes with it, is there at once.
const AccountPage = fetched(async () => (await import('./pages/account.tsx')).AccountPage)
const CommandsPage = fetched(async () => (await import('./pages/commands.tsx')).CommandsPage)
const DevicePage = fetched(async () => (await import('./pages/device.tsx')).DevicePage)
const ExplorePage = fetched(async () => (await import('./pages/explore.tsx')).ExplorePage)
const HubPage = fetched(async () => (await import('./pages/hub.tsx')).HubPage)
const MessagesPage = fetched(async () => (await import('./pages/messages.tsx')).MessagesPage)
const SettingsPage = fetched(async () => (await import('./pages/settings.tsx')).SettingsPage)
const Palette = fetched(async () => (await import('./parts/palette.tsx')).Palette)

function App() {
  const { value } = viewer
  if (route.value.page === 'setup') return <SetupPage />
  if (value.is === 'asked') return null
  if (value.is === 'out') return <LoginPage needsSetUp={value.needsSetUp} hasEnded={value.hasEnded} />
  return (
    <>
      <a class="skip" href="#page">
        {words.skip}
      </a>
      <Rail />
      <div class={stale.value ? 'body stale' : 'body'}>
        <Bands />
        <main id="page" tabIndex={-1}>
          <Page shown={route.value} />
        </main>
      </div>
      <KeysDialog />
      {paletteShown.value ? <Palette onClose={hidePalette} /> : null}
    </>
  )
}

function Page({ shown }: { shown: Route }) {
  switch (shown.page) {
    case 'overview':
      return <OverviewPage />
    case 'devices':
      return <DevicesPage />
    case 'device':
      return <DevicePage key={shown.deviceId} deviceId={shown.deviceId} />
    case 'messages':
      return <MessagesPage />
    case 'commands':
      return <CommandsPage />
    case 'explore':
      return <ExplorePage />
    case 'hub':
      return <HubPage />
    case 'settings':
      return <SettingsPage />
    case 'account':
      return <AccountPage />
    case 'setup':
      return null // it stands alone
    case 'nothing':
      return <NothingPage path={shown.path} />
  }
}

function NothingPage({ path }: { path: string }) {
  return (
    <div class="head">
      <h1>{words.nothing.title}</h1>
      <p class="sentence">
        {words.nothing.sentence(path)} <a href="/devices">{words.nothing.back}</a>
      </p>
    </div>
  )
}

function hidePalette(): void {
  paletteShown.value = false
}

function titleOf(shown: Route): string {
  switch (shown.page) {
    case 'overview':
      return words.overview.title
    case 'devices':
      return words.devices.title
    case 'device':
      return shown.deviceId
    case 'messages':
      return words.nav.messages
    case 'commands':
      return words.nav.commands
    case 'explore':
      return words.nav.explore
    case 'hub':
      return words.hub.title
    case 'settings':
      return words.nav.settings
    case 'account':
      return words.account.title
    case 'setup':
      return words.setup.title
    case 'nothing':
      return words.nothing.title
  }
}

await speak(words)
startRouter()
startTheme()
effect(() => {
  document.title = words.title(viewer.value.is === 'out' && route.value.page !== 'setup' ? words.login.title : titleOf(route.value))
})
render(<App />, document.getElementById('app')!)
if (route.value.page !== 'setup') {
  await startMe()
  if (viewer.value.is === 'in') {
    startKeys()
    startLive()
    startPulse()
    // The keyboard belongs to the page from the start: it scrolls, and Tab begins with its content.
    requestAnimationFrame(() => document.querySelector('main')?.focus({ preventScroll: true }))
  }
}
