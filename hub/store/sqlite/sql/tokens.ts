// SQL as tokens, by the rules of SQLite's own tokenizer (sqlite.org/lang.html, "SQL Comments", "Keywords", "Literal Values").

export interface Token {
  /** `name` is a keyword or an identifier, quoted or not. */
  readonly is: 'name' | 'string' | 'number' | 'variable' | 'blob' | 'operator'
  /** Of names in lower case, of names and strings without quotes; otherwise as it stands. */
  readonly text: string
  /** A keyword does not stand in quotes. */
  readonly isQuoted: boolean
  /** Position of its first character, and behind its last one. */
  readonly start: number
  readonly end: number
}

const nameStart = String.raw`[A-Za-z_\u0080-\u{10ffff}]`
const nameRest = String.raw`[A-Za-z0-9_$\u0080-\u{10ffff}]`

/** In the order in which they are tried, each from the place where the one before ended. */
const forms = [
  ['blank', String.raw`[ \t\n\f\r]+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)`],
  ['blob', "[xX]'[^']*'"],
  ['string', "'(?:[^']|'')*'"],
  ['quoted', '"(?:[^"]|"")*"|`(?:[^`]|``)*`|\\[[^\\]]*\\]'],
  ['number', String.raw`0[xX][0-9a-fA-F_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?`],
  ['variable', String.raw`\?\d*|[:@#$](?:${nameRest}|::)+(?:\([^)\s]*\))?`],
  ['name', `${nameStart}${nameRest}*`],
  ['operator', String.raw`->>|->|\|\||<<|>>|<=|>=|<>|==|!=|[-+*\/%=<>&|~(),.;]`],
] as const

const pattern = new RegExp(forms.map(([name, form]) => `(?<${name}>${form})`).join('|'), 'uy')

/** Undefined when a character begins no token: what SQLite makes of it, nobody but SQLite says. */
export function tokensOf(sql: string): Token[] | undefined {
  const tokens: Token[] = []
  for (let start = 0; start < sql.length; ) {
    pattern.lastIndex = start
    const found = pattern.exec(sql)
    if (found === null) return undefined
    const end = pattern.lastIndex
    const token = tokenOf(found, start, end)
    if (token !== undefined) tokens.push(token)
    start = end
  }
  return tokens
}

function tokenOf(found: RegExpExecArray, start: number, end: number): Token | undefined {
  const [text] = found
  const [form] = Object.entries(found.groups!).find(([, part]) => part !== undefined)!
  const place = { start, end }
  switch (form) {
    case 'blank':
      return undefined
    case 'name':
      return { is: 'name', text: text.toLowerCase(), isQuoted: false, ...place }
    case 'quoted':
      return { is: 'name', text: unquoted(text).toLowerCase(), isQuoted: true, ...place }
    case 'string':
      return { is: 'string', text: unquoted(text), isQuoted: true, ...place }
    default:
      return { is: form as Token['is'], text, isQuoted: false, ...place }
  }
}

function unquoted(text: string): string {
  const quote = text[0]!
  const inside = text.slice(1, -1)
  return quote === '[' ? inside : inside.replaceAll(quote + quote, quote)
}

export function isKeyword(token: Token | undefined, ...words: readonly string[]): boolean {
  return token !== undefined && token.is === 'name' && !token.isQuoted && words.includes(token.text)
}

export function isOperator(token: Token | undefined, ...texts: readonly string[]): boolean {
  return token !== undefined && token.is === 'operator' && texts.includes(token.text)
}
