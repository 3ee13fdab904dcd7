// The scripts themselves. In each, the words typed so far choose a place: the command, or the command and its sub-command where there is one.
import type { Option } from './command.ts'
import type { Place } from './completion.ts'

const says = '# Completion for mooring, made by `mooring completion`.'

/** Functions that bash and zsh both read: what stands behind a place, and behind an option of it. */
function tables(places: readonly Place[]): string {
  const choice = (name: string, lines: readonly string[], otherwise: string) =>
    [`${name}() {`, '  case "$1" in', ...lines.map((line) => `    ${line}`), `    *) ${otherwise} ;;`, '  esac', '}'].join('\n')
  const next = places.map(({ words, next }) => `${quoted(words)}) echo ${quoted(next.map(([word]) => word).join(' '))} ;;`)
  const options = places.map(({ words, options }) => {
    const names = Object.keys(options).map((name) => `--${name}`)
    return `${quoted(words)}) echo ${quoted(names.join(' '))} ;;`
  })
  const values = places.flatMap(({ words, options }) =>
    Object.entries(options).flatMap(([name, option]) => {
      const found = valuesOf(option)
      return found === undefined ? [] : [`${quoted(`${words} --${name}`)}) echo ${quoted(found)} ;;`]
    }),
  )
  const files = places.filter(({ takesFiles }) => takesFiles).map(({ words }) => `${quoted(words)}) return 0 ;;`)
  return [
    choice('_mooring_next', next, 'return 1'),
    choice('_mooring_options', options, 'return 1'),
    '# Fails for what is no option that takes a value.',
    choice('_mooring_values', values, 'return 1'),
    choice('_mooring_takes_files', files, 'return 1'),
  ].join('\n\n')
}

export function bashScript(places: readonly Place[]): string {
  return `${says}
${tables(places)}

_mooring() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} place='' found words
  if ((COMP_CWORD > 1)); then
    place=\${COMP_WORDS[1]}
    if ((COMP_CWORD > 2)) && _mooring_next "$place \${COMP_WORDS[2]}" >/dev/null; then place="$place \${COMP_WORDS[2]}"; fi
  fi
  COMPREPLY=()
  if found=$(_mooring_values "$place $prev"); then
    if [[ $found == FILE ]]; then words=$(compgen -f -- "$cur"); compopt -o filenames 2>/dev/null; else words=$(compgen -W "$found" -- "$cur"); fi
  elif [[ $cur == -* ]]; then
    words=$(compgen -W "$(_mooring_options "$place")" -- "$cur")
  elif _mooring_takes_files "$place"; then
    words=$(compgen -f -- "$cur")
    compopt -o filenames 2>/dev/null
  else
    found=$(_mooring_next "$place")
    words=$(compgen -W "\${found:-$(_mooring_options "$place")}" -- "$cur")
  fi
  [[ -z $words ]] || while IFS= read -r found; do COMPREPLY+=("$found"); done <<<"$words"
}

complete -F _mooring mooring
`
}

export function zshScript(places: readonly Place[]): string {
  return `#compdef mooring
${says}
${tables(places)}

_mooring() {
  local place='' found prev=$words[CURRENT-1]
  if (( CURRENT > 2 )); then
    place=$words[2]
    if (( CURRENT > 3 )) && _mooring_next "$place $words[3]" >/dev/null; then place="$place $words[3]"; fi
  fi
  if found=$(_mooring_values "$place $prev"); then
    if [[ $found == FILE ]]; then _files; else compadd -- \${=found}; fi
  elif [[ $words[CURRENT] == -* ]]; then
    found=$(_mooring_options "$place")
    compadd -- \${=found}
  elif _mooring_takes_files "$place"; then
    _files
  else
    found=$(_mooring_next "$place")
    [[ -n $found ]] || found=$(_mooring_options "$place")
    compadd -- \${=found}
  fi
}

if [[ $funcstack[1] == _mooring ]]; then _mooring "$@"; else compdef _mooring mooring; fi
`
}

export function fishScript(places: readonly Place[]): string {
  const pairs = places.map(({ words }) => words).filter((words) => words.includes(' '))
  const lines = places.flatMap((place) => {
    const at = `complete -c mooring -n ${fishQuoted(`__mooring_at ${place.words === '' ? "''" : `'${place.words}'`}`)}`
    const files = place.takesFiles ? [`${at} -F`] : []
    const next = place.next.map(([word, summary]) => `${at} -a ${fishQuoted(word)}${summary === '' ? '' : ` -d ${fishQuoted(summary)}`}`)
    const options = Object.entries(place.options).map(([name, option]) => {
      const values = valuesOf(option)
      const takes = values === undefined ? '' : values === 'FILE' ? ' -r -F' : ` -x${values === '' ? '' : ` -a ${fishQuoted(values)}`}`
      return `${at} -l ${name}${takes} -d ${fishQuoted(option.says)}`
    })
    return [...files, ...next, ...options]
  })
  return `${says}
function __mooring_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l place ''
    set -q words[1]; and set place $words[1]
    if set -q words[2]; and contains -- "$words[1] $words[2]" ${pairs.map(fishQuoted).join(' ')}
        set place "$words[1] $words[2]"
    end
    test "$place" = "$argv[1]"
end

complete -c mooring -f
${lines.join('\n')}
`
}

/** `FILE`, the words that are proposed, nothing where nobody can know; undefined for an option without a value. */
function valuesOf({ type, value = '', words = [] }: Option): string | undefined {
  if (type === 'boolean') return undefined
  return /FILE|FOLDER/.test(value) ? 'FILE' : words.join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
