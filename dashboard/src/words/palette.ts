/** Of the palette. */
export const paletteWords = {
  label: 'Find a device, a page or a thing to do',
  hint: 'Device, page, or what to do',
  results: 'What is found',
  none: (text: string) => `Nothing is called “${text}”.`,
  searching: 'Asking the hub …',
  found: (n: number, text: string) => `${text} ${n === 1 ? 'result' : 'results'}`,
  kinds: { page: 'Page', act: 'Do', device: 'Device' },
  acts: {
    system: 'Theme as the system',
    light: 'Light theme',
    dark: 'Dark theme',
    keys: 'Show the keys',
    filter: 'Filter the devices',
    pause: 'Pause or resume the messages',
    command: 'Type a command',
    range: 'Next time range of the charts',
    out: 'Zoom out of the charts',
    leave: 'Log out',
  },
  language: (name: string) => `Language: ${name}`,
} as const
