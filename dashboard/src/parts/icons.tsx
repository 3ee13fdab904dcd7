// Drawn here rather than loaded: a few icons, and they take the colour of their text.
import type { ComponentChildren } from 'preact'

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      {children}
    </svg>
  )
}

export function Anchor() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="7.5" r="3.5" />
      <path d="M16 11v16M10 15.5h12M5 19c.6 5.2 5 8.5 11 8.5S26.4 24.2 27 19" />
    </svg>
  )
}

export const Rows = () => (
  <Icon>
    <path d="M2 4h12M2 8h12M2 12h12" />
  </Icon>
)

export const Pulse = () => (
  <Icon>
    <path d="M1.5 8.5h3l2-5 3.2 9 2-4h2.8" />
  </Icon>
)

export const Half = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.5" />
    <path class="filled" d="M8 2.5a5.5 5.5 0 0 1 0 11z" />
  </Icon>
)

export const Person = () => (
  <Icon>
    <circle cx="8" cy="5" r="2.75" />
    <path d="M2.75 14c.4-3 2.4-4.5 5.25-4.5s4.85 1.5 5.25 4.5" />
  </Icon>
)

export const Door = () => (
  <Icon>
    <path d="M9.5 2.5h-6v11h6M7 8h7M11.5 5.5 14 8l-2.5 2.5" />
  </Icon>
)

export const Eye = () => (
  <Icon>
    <path d="M1.5 8c1.6-2.9 3.8-4.4 6.5-4.4s4.9 1.5 6.5 4.4c-1.6 2.9-3.8 4.4-6.5 4.4S3.1 10.9 1.5 8z" />
    <circle cx="8" cy="8" r="1.9" />
  </Icon>
)

export const Letter = () => (
  <Icon>
    <path d="M2 3.5h12v9H2zM2 4l6 5 6-5" />
  </Icon>
)

export const Sliders = () => (
  <Icon>
    <path d="M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6" />
    <circle cx="10" cy="4.5" r="1.75" />
    <circle cx="6" cy="11.5" r="1.75" />
  </Icon>
)

export const Arrow = () => (
  <Icon>
    <path d="M2.5 8h10M9 4l4 4-4 4M2.5 4v8" />
  </Icon>
)

export const Curve = () => (
  <Icon>
    <path d="M2.5 2.5v11h11M5 10.5l2.5-4 2.5 2 3.5-5" />
  </Icon>
)

export const Glass = () => (
  <Icon>
    <circle cx="7" cy="7" r="4.5" />
    <path d="m10.5 10.5 3.5 3.5" />
  </Icon>
)

export const Globe = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.5" />
    <path d="M2.5 8h11M8 2.5c-4 3.5-4 7.5 0 11M8 2.5c4 3.5 4 7.5 0 11" />
  </Icon>
)
