import type { Translated } from '../../language.ts'
import type { exploreWords } from '../explore.ts'

export const german: Translated<typeof exploreWords> = {
  title: 'Vergleichen',
  sentence: (devices, devicesText, metrics, range) =>
    `${devicesText} ${devices === 1 ? 'Gerät' : 'Geräte'}, ${metrics} ${metrics === 1 ? 'Messgröße' : 'Messgrößen'}, ${range}`,

  devices: {
    label: 'Geräte',
    add: 'Gerät hinzufügen',
    hint: 'pump-1, type:pump, tag:halle, group:…',
    first: 'Gerät wählen, oder type: tag: group:',
    options: 'Geräte, und wie man sie wählt',
  },
  metrics: { label: 'Messgrößen', add: 'Messgröße hinzufügen', hint: 'Messgröße hinzufügen', options: 'Messgrößen dieser Geräte' },
  remove: (what) => `${what} entfernen`,
  on: (n) => `bei ${n} ${n === 1 ? 'Gerät' : 'Geräten'}`,
  metricsFull: (n) => `Mehr als ${n} Messgrößen zeigt eine Seite nicht.`,

  sum: {
    label: 'Zeigen',
    none: 'Punkte',
    names: {
      avg: 'Mittel',
      min: 'Kleinster',
      max: 'Größter',
      sum: 'Summe',
      count: 'Anzahl',
      p50: 'Median',
      p95: '95. Perzentil',
      p99: '99. Perzentil',
      rate: 'Zuwachs je Sekunde',
    },
    percentile: (name) => `Perzentil ${name.slice(1)}`,
  },
  every: {
    label: 'je',
    auto: (length) => `${length} (von selbst)`,
    tooFine: (asked, used) => `${asked} ergäben mehr Abschnitte, als sich zeichnen lassen; diese haben ${used}.`,
    units: { s: 's', m: 'min', h: 'h', d: 'd', w: 'Wo', mo: 'Mon', y: 'J' },
  },
  by: {
    label: 'Linien',
    device: 'Eine je Gerät',
    type: 'Eine je Typ',
    metric: 'Alle zusammen',
    tag: (name) => `Eine je ${name}`,
    none: (by) => (by === 'type' ? 'ohne Typ' : `ohne ${by.slice('tag:'.length)}`),
    all: 'alle Geräte',
  },
  before: {
    label: 'Vergleich',
    none: 'mit nichts',
    option: (length) => `mit ${length} davor`,
    earlier: (length) => `${length} davor`,
    lengths: { '1h': '1 h', '1d': '1 Tag', '1w': '1 Woche', '4w': '4 Wochen', '365d': '1 Jahr' },
  },

  rest: (text, n) => `Die ersten 8 Linien; ${text} ${n === 1 ? 'weitere ist' : 'weitere sind'} nicht gezeichnet.`,
  seeTable: 'Ihre Zahlen stehen in der Tabelle darunter.',
  figuresOf: (metric) => `Zahlen zu ${metric}`,
  columns: { line: 'Linie', newest: 'Neuester', low: 'Kleinster', mean: 'Mittel', high: 'Größter', count: 'Punkte' },
  share: (percent) => `zu ${percent} % wahr`,

  export: {
    points: 'Alle Punkte als CSV',
    pointsTitle: 'Alle Punkte dieser Linien in diesem Zeitraum, wie sie gespeichert sind',
    drawn: 'Das Gezeichnete als CSV',
    drawnTitle: 'Die Punkte auf dem Bildschirm, auch die des früheren Zeitraums',
    header: ['Linie', 'Messgröße', 'Zeit', 'Wert', 'davor'],
  },

  empty: {
    title: 'Geräte nebeneinander ansehen',
    lead: 'Oben Geräte und Messgrößen wählen: Aus jeder Messgröße wird ein Bild mit einer Linie je Gerät. Die Adresse enthält die ganze Auswahl und lässt sich verschicken.',
    ready: 'Oder hiermit beginnen',
    one: (device, metrics) => `${metrics} von ${device}`,
    many: (n, metric) => `${metric} von ${n} Geräten`,
    chooseMetric: 'Welche Messgrößen?',
    noMetrics: 'Diese Geräte haben noch keine Zahl gemeldet. Mit der ersten erscheint ihr Bild.',
    nobody: 'Kein Gerät passt zu dieser Auswahl.',
  },
}
