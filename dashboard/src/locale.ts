// Imported before everything else. A browser started without a locale (a kiosk on a bare system) calls its language
// `en-US@posix`. Intl refuses that name, and uPlot hands it to Intl as it loads: the whole page would stay empty.
try {
  new Intl.NumberFormat(navigator.language)
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en' })
}
