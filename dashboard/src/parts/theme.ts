// Light, dark, or what the system says; and the tokens as colours a canvas understands.
import { effect, signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'

export interface Colours {
  readonly accent: string
  readonly accentFaint: string
  readonly text: string
  readonly faint: string
  readonly line: string
  /** Of the lines of one picture; a sixth begins again, with a dash. */
  readonly series: readonly string[]
}

export const themes: readonly Theme[] = ['system', 'light', 'dark']
export const theme = signal<Theme>('system')

/** New whenever the theme changed. */
export const colours = signal<Colours>({ accent: '', accentFaint: '', text: '', faint: '', line: '', series: [] })

const key = 'mooring.theme'

export function startTheme(): void {
  theme.value = kept()
  effect(() => {
    document.documentElement.dataset['theme'] = theme.value
    keep(theme.value)
    readColours()
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', readColours)
}

function readColours(): void {
  // A custom property reads as the text `light-dark(…)`; only a real property of an element is resolved.
  const probe = document.createElement('span')
  document.body.append(probe)
  const resolved = (colour: string) => {
    probe.style.color = colour
    return getComputedStyle(probe).color
  }
  colours.value = {
    accent: resolved('var(--accent)'),
    accentFaint: resolved('color-mix(in srgb, var(--accent) 8%, transparent)'),
    text: resolved('var(--text)'),
    faint: resolved('var(--faint)'),
    line: resolved('var(--line)'),
    series: [1, 2, 3, 4, 5].map((n) => resolved(`var(--series-${n})`)),
  }
  probe.remove()
}

function kept(): Theme {
  try {
    return themes.find((one) => one === localStorage.getItem(key)) ?? 'system'
  } catch {
    return 'system' // a browser that keeps nothing for this site
  }
}

function keep(chosen: Theme): void {
  try {
    localStorage.setItem(key, chosen)
  } catch {
    // the choice then lasts until the page is closed
  }
}
