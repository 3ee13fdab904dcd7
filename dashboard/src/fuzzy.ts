// How well a name answers to what was typed. Pure.
export interface Match {
  /** More is better. */
  readonly score: number
  /** Which letters of the name were meant. */
  readonly letters: readonly number[]
}

const atStart = 400
const atWord = 300
const inside = 200
const scattered = 100

/** Every word has to be in the name, whole or with letters between its own; null when one is not. */
export function matchOf(name: string, typed: string): Match | null {
  const text = name.toLowerCase()
  let score = 0
  const letters: number[] = []
  for (const word of typed.toLowerCase().split(/\s+/)) {
    if (word === '') continue
    const found = wholeIn(text, word) ?? scatteredIn(text, word)
    if (found === null) return null
    score += found.score
    letters.push(...found.letters)
  }
  // Of two that match alike the shorter name is meant more.
  return { score: score - Math.min(name.length, scattered) / 2, letters }
}

function wholeIn(text: string, word: string): Match | null {
  let at = text.indexOf(word)
  if (at < 0) return null
  for (let next = at; next >= 0; next = text.indexOf(word, next + 1)) {
    if (!beginsWord(text, next)) continue
    at = next
    break
  }
  const score = at === 0 ? atStart : beginsWord(text, at) ? atWord : inside
  return { score, letters: Array.from(word, (_, i) => at + i) }
}

/** Begins at a word where it can; each letter that is passed over costs. */
function scatteredIn(text: string, word: string): Match | null {
  const letters: number[] = []
  for (const letter of word) {
    const at = text.indexOf(letter, (letters.at(-1) ?? -1) + 1)
    if (at < 0) return null
    letters.push(at)
  }
  const passed = letters.at(-1)! - letters[0]! + 1 - letters.length
  const begun = letters.filter((at) => beginsWord(text, at)).length
  return { score: scattered - passed + 10 * begun, letters }
}

function beginsWord(text: string, at: number): boolean {
  return at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1]!)
}
