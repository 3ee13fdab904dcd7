// The rail: where one is, whether the view is live, and the few things that are always at hand.
import { useComputed } from '@preact/signals'
import { choose, language, languages } from '../language.ts'
import { leave, may, viewer } from '../me.ts'
import { route } from '../router.ts'
import { liveState } from '../state.ts'
import { words } from '../words.ts'
import { Anchor, Arrow, Curve, Door, Eye, Glass, Globe, Half, Letter, Person, Pulse, Rows, Sliders } from './icons.tsx'
import { keysShown, paletteShown } from './keys.tsx'
import { theme, themes } from './theme.ts'

const paletteKeys = /Mac|iP/.test(navigator.platform) ? '⌘ K' : 'Ctrl K'

export function Rail() {
  const { page } = route.value
  return (
    <header class="rail">
      <a class="brand" href="/" aria-label={words.product}>
        <Anchor />
        <span>{words.product}</span>
      </a>
      <nav aria-label={words.nav.label}>
        {may('devices') ? <Page href="/" name={words.nav.overview} keys="g o" current={page === 'overview'} icon={<Eye />} /> : null}
        {may('devices') ? (
          <Page href="/devices" name={words.nav.devices} keys="g d" current={page === 'devices' || page === 'device'} icon={<Rows />} />
        ) : null}
        {may('devices') ? (
          <Page href="/messages" name={words.nav.messages} keys="g m" current={page === 'messages'} icon={<Letter />} />
        ) : null}
        {may('devices') ? (
          <Page href="/commands" name={words.nav.commands} keys="g c" current={page === 'commands'} icon={<Arrow />} />
        ) : null}
        {may('devices') ? <Page href="/explore" name={words.nav.explore} keys="g e" current={page === 'explore'} icon={<Curve />} /> : null}
        {may('hub') ? <Page href="/hub" name={words.nav.hub} keys="g h" current={page === 'hub'} icon={<Pulse />} /> : null}
        {may('admin') ? (
          <Page href="/settings" name={words.nav.settings} keys="g s" current={page === 'settings'} icon={<Sliders />} />
        ) : null}
      </nav>
      <div class="foot">
        <LiveMark />
        <button type="button" class="tool find" onClick={showPalette} aria-keyshortcuts="Control+K Meta+K">
          <Glass />
          <span>{words.nav.find}</span>
          <span class="key" aria-hidden="true">
            {paletteKeys}
          </span>
        </button>
        <LoggedIn isShown={page === 'account'} />
        <button type="button" class="tool" onClick={nextTheme} aria-label={`${words.theme.label}: ${words.theme[theme.value]}`}>
          <Half />
          <span>{words.theme[theme.value]}</span>
        </button>
        <button type="button" class="tool tongue" onClick={nextLanguage} aria-label={`${words.language}: ${languages[language]}`}>
          <Globe />
          <span>{languages[language]}</span>
        </button>
        <button type="button" class="tool" onClick={showKeys} aria-label={words.nav.keys}>
          <span class="key" aria-hidden="true">
            ?
          </span>
          <span>{words.nav.keys}</span>
        </button>
      </div>
    </header>
  )
}

function Page({
  href,
  name,
  keys,
  current,
  icon,
}: {
  href: string
  name: string
  keys: string
  current: boolean
  icon: preact.JSX.Element
}) {
  return (
    <a href={href} title={name} aria-current={current ? 'page' : undefined}>
      {icon}
      <span>{name}</span>
      <span class="key" aria-hidden="true">
        {keys}
      </span>
    </a>
  )
}

/** Nothing where the hub lets in by address: there is nobody to log out. `isShown`: his account is the page. */
function LoggedIn({ isShown }: { isShown: boolean }) {
  const { value } = viewer
  if (value.is !== 'in' || value.me?.is !== 'user') return null
  const { name, role } = value.me
  return (
    <>
      <a class="who" href="/account" title={words.nav.account(name, role)} aria-current={isShown ? 'page' : undefined}>
        <Person />
        <span>
          <b>{name}</b> {role}
        </span>
      </a>
      <button type="button" class="tool" onClick={() => leave()} aria-label={words.login.leave}>
        <Door />
        <span>{words.login.leave}</span>
      </button>
    </>
  )
}

function LiveMark() {
  const look = useComputed(() => `state ${{ live: 'ok', connecting: 'off', lost: 'warn' }[liveState.value.is]}`)
  const word = useComputed(() => words.live[liveState.value.is])
  return (
    <p class={look}>
      <i class="shape" />
      <span>{word}</span>
    </p>
  )
}

function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.peek()) + 1) % themes.length]!
}

/** Two of them: the other one. */
function nextLanguage(): void {
  choose(language === 'en' ? 'de' : 'en')
}

function showPalette(): void {
  paletteShown.value = true
}

function showKeys(): void {
  keysShown.value = true
}
