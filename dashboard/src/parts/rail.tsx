// The rail: where one is, whether the view is live, and the few things that are always at hand.
import { useComputed } from '@preact/signals'
import { route } from '../router.ts'
import { liveState } from '../state.ts'
import { words } from '../words.ts'
import { keysShown } from './keys.tsx'
import { theme, themes } from './theme.ts'

export function Rail() {
  const { page } = route.value
  return (
    <header class="rail">
      <a class="brand" href="/devices" aria-label={words.product}>
        <Anchor />
        <span>{words.product}</span>
      </a>
      <nav aria-label={words.nav.label}>
        <Page href="/devices" name={words.nav.devices} keys="g d" current={page === 'devices' || page === 'device'} icon={<Rows />} />
        <Page href="/hub" name={words.nav.hub} keys="g h" current={page === 'hub'} icon={<Pulse />} />
      </nav>
      <div class="foot">
        <LiveMark />
        <button type="button" class="tool" onClick={nextTheme} aria-label={`${words.theme.label}: ${words.theme[theme.value]}`}>
          <Half />
          <span>{words.theme[theme.value]}</span>
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
    <a href={href} aria-current={current ? 'page' : undefined}>
      {icon}
      <span>{name}</span>
      <span class="key" aria-hidden="true">
        {keys}
      </span>
    </a>
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

function showKeys(): void {
  keysShown.value = true
}

// Drawn here rather than loaded: four icons, and they take the colour of their text.

function Icon({ children }: { children: preact.ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      {children}
    </svg>
  )
}

function Anchor() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="7.5" r="3.5" />
      <path d="M16 11v16M10 15.5h12M5 19c.6 5.2 5 8.5 11 8.5S26.4 24.2 27 19" />
    </svg>
  )
}

const Rows = () => (
  <Icon>
    <path d="M2 4h12M2 8h12M2 12h12" />
  </Icon>
)

const Pulse = () => (
  <Icon>
    <path d="M1.5 8.5h3l2-5 3.2 9 2-4h2.8" />
  </Icon>
)

const Half = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.5" />
    <path class="filled" d="M8 2.5a5.5 5.5 0 0 1 0 11z" />
  </Icon>
)
