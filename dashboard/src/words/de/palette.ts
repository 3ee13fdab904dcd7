import type { Translated } from '../../language.ts'
import type { paletteWords } from '../palette.ts'

export const german: Translated<typeof paletteWords> = {
  label: 'Gerät, Seite oder Handlung suchen',
  hint: 'Gerät, Seite oder was zu tun ist',
  results: 'Gefunden',
  none: (text) => `Nichts heißt „${text}“.`,
  searching: 'Der Hub wird gefragt …',
  found: (_, text) => `${text} gefunden`,
  kinds: { page: 'Seite', act: 'Tun', device: 'Gerät' },
  acts: {
    system: 'Farben wie das System',
    light: 'Helle Farben',
    dark: 'Dunkle Farben',
    keys: 'Tasten zeigen',
    filter: 'Geräte filtern',
    pause: 'Nachrichten anhalten oder fortsetzen',
    command: 'Befehl eingeben',
    range: 'Nächster Zeitraum der Diagramme',
    out: 'Diagramme verkleinern',
    leave: 'Abmelden',
  },
  language: (name) => `Sprache: ${name}`,
}
