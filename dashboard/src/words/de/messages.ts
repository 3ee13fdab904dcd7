import type { Translated } from '../../language.ts'
import type { messagesWords } from '../messages.ts'

export const german: Translated<typeof messagesWords> = {
  title: 'Nachrichten',
  sentence: (rate, kept) => `${rate} Nachrichten/s · die neuesten ${kept} bleiben hier`,
  reading: 'Es wird gelauscht …',
  lost: 'Der Nachrichtenstrom ist abgerissen, neuer Versuch läuft.',
  filter: 'Topic-Filter',
  filterHint: 'devices/+/telemetry, # für alle',
  go: 'Folgen',
  narrowed: 'Alle Topics',
  pause: 'Anhalten',
  resume: 'Weiter',
  passed: (n) => `▶ ${n} neu`,
  publish: 'Veröffentlichen …',
  view: 'Was gezeigt wird',
  tail: 'Live',
  retained: 'Aufbewahrt',

  empty: {
    heading: (filter) => `Auf ${filter} ist noch nichts gekommen`,
    lead: 'Jede Nachricht erscheint hier, sobald sie kommt. Eine senden:',
    curl: 'Eine über HTTP senden',
  },

  list: {
    label: 'Nachrichten, die neueste zuerst',
    columns: { at: 'Zeit', topic: 'Topic', payload: 'Inhalt', qos: 'QoS', bytes: 'Größe' },
    open: (time) => `Nachricht von ${time}`,
    narrow: (topic) => `Nur ${topic} folgen`,
    retained: 'aufbewahrt',
  },

  tree: {
    title: 'Topics',
    label: 'Topics mit Nachrichten insgesamt und je Sekunde',
    size: (n) => n,
    full: (max) => `Der Baum endet bei ${max} Zweigen; weitere Topics zählen dort mit, wo noch Platz war.`,
    empty: 'Topics erscheinen, sobald sie zu hören sind.',
    says: (name, count, rate, retained) => `${name}: ${count} Nachrichten, ${rate} je Sekunde${retained ? ', aufbewahrt' : ''}`,
    rate: (rate) => `${rate}/s`,
    show: 'Topics',
  },

  one: {
    title: 'Nachricht',
    close: 'Schließen',
    topic: 'Topic',
    at: 'Gekommen',
    qos: 'QoS',
    bytes: 'Größe',
    retained: 'Aufbewahrt',
    isRetained: 'ja: neue Abonnenten bekommen sie',
    device: (id) => `Gerät ${id}`,
    payload: 'Inhalt',
    view: 'Wie er gezeigt wird',
    views: { json: 'JSON', leaves: 'Werte', text: 'Text', hex: 'Hex' },
    columns: { path: 'Wo', says: 'Wert' },
    whole: 'Wert',
    more: (n) => `Die ersten ${n} Werte werden gezeigt.`,
    nothing: 'Der Inhalt ist leer.',
    copy: 'Kopieren',
    previous: 'Mit der vorigen vergleichen',
    against: 'Vergleichen mit …',
    pick: 'Jetzt die andere Nachricht wählen: anklicken oder x darauf drücken.',
  },

  diff: {
    title: 'Vergleich',
    columns: { path: 'Wo', before: (time) => `Vorher, ${time}`, after: (time) => `Nachher, ${time}` },
    marks: { changed: 'geändert', added: 'neu', gone: 'weg' },
    same: (n) => `${n} gleich`,
    equal: 'Beide sagen dasselbe.',
    topics: (before, after) => `${before} und ${after}`,
    noPrevious: 'Von diesem Topic ist keine frühere Nachricht hier.',
    back: 'Zurück zur Nachricht',
  },

  send: {
    title: 'Nachricht veröffentlichen',
    topic: 'Topic',
    payload: 'Inhalt',
    qos: 'QoS',
    retain: 'Aufbewahren für alle, die später abonnieren',
    submit: 'Veröffentlichen',
    done: (topic, time) => `Auf ${topic} veröffentlicht um ${time}.`,
  },

  kept: {
    label: 'Aufbewahrte Nachrichten',
    count: (n, text, more) =>
      more ? `mehr als ${text} aufbewahrte Nachrichten` : `${text} aufbewahrte ${n === 1 ? 'Nachricht' : 'Nachrichten'}`,
    none: (filter) =>
      `Auf ${filter} ist nichts aufbewahrt. Was mit „retain“ veröffentlicht wird, bleibt hier, bis es ersetzt oder entfernt ist.`,
    columns: { topic: 'Topic', payload: 'Inhalt', qos: 'QoS', bytes: 'Größe', at: 'Seit' },
    more: 'Mehr zeigen',
    clear: 'Entfernen',
    clearOne: (topic) => `Aufbewahrtes auf ${topic} entfernen`,
    clearAll: (n) => `Diese ${n} entfernen …`,
    title: 'Aufbewahrte Nachrichten entfernen',
    ask: (n, filter) =>
      `Was auf ${n} Topics unter ${filter} aufbewahrt ist, wird für alle entfernt. Wer später abonniert, bekommt nichts mehr davon.`,
    cleared: (n) => `${n} entfernt.`,
  },

  confirm: { type: (text) => `Zum Bestätigen ${text} eintippen`, back: 'Zurück' },
}
