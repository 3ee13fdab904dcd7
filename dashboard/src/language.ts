// The language of the page: chosen here once, else the browser's. The catalogues are English objects that another language fills in
// place before anything is drawn, so whoever reads a sentence reads it where it always was.
export const languages = { en: 'English', de: 'Deutsch' } as const
export type Language = keyof typeof languages

/** Another catalogue of the same shape: a sentence that is missing is an error of the compiler. */
export type Translated<Words> = Words extends string
  ? string
  : Words extends (...values: infer Values) => string
    ? (...values: Values) => string
    : { readonly [Name in keyof Words]: Translated<Words[Name]> }

const key = 'mooring.language'

/** It stays what it is until the page begins anew. */
export const language: Language = typeof document === 'undefined' ? 'en' : (kept() ?? preferred())

/** How Intl calls it: English with the day before the month. */
export const locale = { en: 'en-GB', de: 'de' }[language]

/** Resolves when every sentence is in the language; `words` are those of every page. */
export async function speak(words: object): Promise<void> {
  if (language === 'en') return
  const fetched = await import('./words/de/catalogues.ts').catch(() => null)
  if (fetched === null) return // a page in English is better than none
  document.documentElement.lang = language
  fill(words, fetched.german)
  for (const [english, other] of fetched.catalogues) fill(english, other)
}

/** The page begins anew, at the same address, in this language. */
export function choose(chosen: Language): void {
  try {
    localStorage.setItem(key, chosen)
  } catch {
    return // a browser that keeps nothing for this site has only its own language
  }
  location.reload()
}

/** Objects are filled, never replaced: modules hold parts of a catalogue from the moment they are loaded. */
function fill(into: object, from: object): void {
  const target = into as Record<string, unknown>
  for (const [name, said] of Object.entries(from)) {
    if (typeof said === 'object' && said !== null) fill(target[name] as object, said)
    else target[name] = said
  }
}

function kept(): Language | undefined {
  try {
    return known(localStorage.getItem(key) ?? '')
  } catch {
    return undefined
  }
}

/** The first that the browser asks for and the page has. */
function preferred(): Language {
  for (const tag of navigator.languages) {
    const found = known(tag.slice(0, 2).toLowerCase())
    if (found !== undefined) return found
  }
  return 'en'
}

function known(name: string): Language | undefined {
  return Object.hasOwn(languages, name) ? (name as Language) : undefined
}
