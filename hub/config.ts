// Every setting: one table gives the flag, the MOORING_* variable, the key in mooring.toml, the default, the check and the sentence.
// Settings are read once at the start, frozen, and handed to who needs them; nothing else reads the environment.
import { readFileSync } from 'node:fs'
import { parse as parseToml } from 'smol-toml'
import { type DialectName, foreignDialects } from '../devices/dialects/foreign.ts'
import {
  address,
  age,
  anonymous,
  type Kind,
  names as nameList,
  networks,
  oneOf,
  origins,
  orOff,
  path,
  pathOrNone,
  paths,
  perMinute,
  perSecond,
  port,
  portOffOrAuto,
  portOrOff,
  secondsUpTo,
  sizeFrom,
  someOf,
  text,
  urlOrNone,
  yes,
} from './kinds.ts'
import { retention } from './retention.ts'

/** A wrong setting: ends the start with its sentence and nothing else. */
export class SettingError extends Error {}

interface Setting<T> {
  readonly flag: string
  readonly default: string
  readonly is: Kind<T>
  readonly says: string
}

const setting = <T>(flag: string, standard: string, is: Kind<T>, says: string): Setting<T> => ({ flag, default: standard, is, says })

export const settings = {
  listen: setting('listen', '127.0.0.1', address, 'address to listen on; 0.0.0.0 for every interface'),
  mqttPort: setting('mqtt-port', '1883', portOrOff, 'TCP port for MQTT; 0 picks a free one, off turns it off'),
  httpPort: setting('http-port', '8080', port, 'port for the dashboard, the API and MQTT over WebSocket; 0 picks a free one'),
  mqttsPort: setting(
    'mqtts-port',
    'auto',
    portOffOrAuto,
    'port for MQTT over TLS; auto is 8883, or none when that is taken; 0 picks a free one, off turns it off',
  ),
  httpsPort: setting(
    'https-port',
    'auto',
    portOffOrAuto,
    'port for everything of the HTTP port over TLS, HTTP/2 too; auto is 8443, or none when that is taken; 0 picks a free one, off turns it off',
  ),
  port: setting(
    'port',
    'off',
    portOrOff,
    'one port for all of them, told apart by the first byte: MQTT, HTTP, and both over TLS; 0 picks a free one',
  ),
  tlsCert: setting(
    'tls-cert',
    '',
    pathOrNone,
    'certificate of the hub and those above it, PEM; without it the hub makes its own below --data. Read again when it changes',
  ),
  tlsKey: setting('tls-key', '', pathOrNone, 'its private key, PEM'),
  tlsCa: setting(
    'tls-ca',
    '',
    pathOrNone,
    'certificates of those who issue to clients, PEM, beside the CA of the hub; clients are asked for theirs',
  ),
  tlsCrl: setting('tls-crl', '', pathOrNone, 'what they have revoked, PEM'),
  tlsNames: setting(
    'tls-names',
    'nobody',
    oneOf('nobody', 'common-name', 'dns', 'uri'),
    'which name in a certificate of --tls-ca is the id of the device that shows it; nobody: only certificates that are credentials let in',
  ),
  jwtKeys: setting(
    'jwt-keys',
    '',
    urlOrNone,
    'JWKS of an issuer whose tokens (JWT) let in, https:// alone; taken again when it changes. Needs --jwt-issuer and --jwt-audience',
  ),
  jwtIssuer: setting('jwt-issuer', '', text, 'iss of its tokens, letter by letter'),
  jwtAudience: setting('jwt-audience', '', text, 'aud of its tokens, so that those for somebody else are not for the hub'),
  jwtFor: setting('jwt-for', 'device', oneOf('device', 'key'), 'what its tokens are for: devices, or programs as keys are'),
  jwtClaim: setting('jwt-claim', 'sub', text, 'claim that names the device or the program'),
  jwtRole: setting('jwt-role', 'device', text, 'role of who comes by such a token'),
  jwtRoleClaim: setting('jwt-role-claim', '', text, 'claim that names another role, one of --jwt-roles'),
  jwtRoles: setting('jwt-roles', '', nameList, 'roles that --jwt-role-claim may give'),
  authUrl: setting(
    'auth-url',
    '',
    urlOrNone,
    'service that is asked about user names the hub does not know, https:// or this machine; a POST of clientId, username, password, address',
  ),
  authSecret: setting('auth-secret', '', text, 'Authorization field sent to it; better as MOORING_AUTH_SECRET than as a flag'),
  authRole: setting('auth-role', 'device', text, 'role of who it lets in without naming one'),
  authRoles: setting('auth-roles', '', nameList, 'roles that it may name'),
  identityRate: setting(
    'identity-rate',
    '1000',
    orOff(perSecond),
    'messages a second that one device or key may publish on average; nothing is counted of who comes without credentials',
  ),
  identityBytes: setting('identity-bytes', '4M', orOff(sizeFrom('1M')), 'and bytes a second'),
  identitySavedMs: setting(
    'identity-saved',
    '10m',
    age,
    'what it did not use is saved up for so long, for a device that was without a network',
  ),
  deviceConnections: setting(
    'device-connections',
    '60',
    orOff(perMinute),
    'sessions that one device may open in a minute, over MQTT, WebSocket or events; nothing is counted of who comes without credentials',
  ),
  trustedProxy: setting(
    'trusted-proxy',
    '',
    networks,
    'proxies that are believed about whom they speak for, by the PROXY protocol, Forwarded or X-Forwarded-For; such as 10.0.0.0/8',
  ),
  data: setting('data', './data', path, 'folder of the database'),
  durability: setting(
    'durability',
    'fsync',
    oneOf('fsync', 'batched', 'memory'),
    'when a message counts as stored: fsync = survives a power cut, batched = survives a crash of the hub, memory = survives neither',
  ),
  keep: setting(
    'keep',
    'raw forever',
    retention,
    'how long points and their minutes, hours and days are kept, with rules of their own by metric or type',
  ),
  diskBudgetBytes: setting(
    'disk-budget',
    'off',
    orOff(sizeFrom('2G')),
    'most bytes in the data folder: past it the oldest points make room, then the oldest minutes, then hours; recording never stops',
  ),
  journalBytes: setting('journal-size', '1G', sizeFrom('64M'), 'messages kept for those who reconnect and read up; the oldest go first'),
  journalAgeMs: setting('journal-age', 'off', orOff(age), 'and for how long; what is not in the series yet, or owed to a session, stays'),
  allowAnonymous: setting(
    'allow-anonymous',
    'loopback',
    anonymous,
    'let everyone in who can reach the address, without credentials; the default, loopback, means this machine only',
  ),
  allowClaims: setting(
    'allow-claims',
    'false',
    yes,
    'devices without any secret may ask to be let in: each shows a code, and comes in once an admin has said it (mooring claims)',
  ),
  scramFile: setting(
    'scram-file',
    '',
    pathOrNone,
    'users that MQTT 5 clients may prove to be by SCRAM-SHA-256, from any address; a line each, as --scram-user prints it',
  ),
  dialects: setting(
    'dialects',
    '',
    someOf(...(Object.keys(foreignDialects) as DialectName[])),
    'formats of others that devices speak over MQTT, beside the hub’s own: thingsboard, with a token of the hub as user name',
  ),
  keepAliveMaxSeconds: setting(
    'keep-alive-max',
    '0',
    secondsUpTo(65_535, 'what each client asks for'),
    'longest keep-alive of an MQTT 5 client: one that asks for a longer one, or for none, is told to use this',
  ),
  allowOrigin: setting('allow-origin', '', origins, 'web pages from elsewhere that may talk to the hub, such as https://tools.example'),
  sysIntervalSeconds: setting(
    'sys-interval',
    '10',
    secondsUpTo(24 * 3600, 'never'),
    'seconds between two looks of the hub at itself, told below $SYS; 0 for never',
  ),
  extensions: setting(
    'extensions',
    '',
    paths,
    'files with extensions, or folders of them: code of yours that runs in the hub (hub/extend/README.md)',
  ),
  logLevel: setting('log-level', 'info', oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'), 'least serious log line to print'),
  readyJson: setting('ready-json', 'false', yes, 'print the ready page as one line of JSON, for programs'),
} as const

type Table = typeof settings
export type SettingName = keyof Table
export type Settings = { readonly [K in SettingName]: Table[K] extends Setting<infer T> ? T : never }

export interface Configuration {
  readonly settings: Settings
  /** Where each value came from: `default`, `mooring.toml`, `MOORING_DATA`, `--data`. */
  readonly sources: Readonly<Record<SettingName, string>>
  readonly command: 'run' | 'help' | 'check' | 'version' | 'scram-user'
  /** Whose line `scram-user` prints; empty for other commands. */
  readonly scramUser: string
  /** A sentence for each MOORING_* variable that is no setting: it may be there for another reason, so it does not end the start. */
  readonly warnings: readonly string[]
}

const names = Object.keys(settings) as SettingName[]
const defaultFile = 'mooring.toml'

/** MOORING_* variables that are not for the hub: the key of the command line, what tests read, and what Kubernetes sets for a service of this name (`tcp://…` is its too). */
const foreignVariables =
  /^MOORING_(KEY$|(TEST|FUZZ|HOP|KILL|POWER|SECURITY|SIMULATION|TELEMETRY)_|(.+_)?SERVICE_(HOST|PORT)|(.+_)?PORT_\d+_(TCP|UDP|SCTP))/

/** Flags win over the environment, the environment over the file, the file over the default. Throws `SettingError`. */
export function readConfiguration(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): Configuration {
  const flags = readFlags(argv)
  const given = flags.values.get('config') ?? environment['MOORING_CONFIG']
  const file = readFile(given ?? defaultFile, given !== undefined)

  const values: Record<string, unknown> = {}
  const sources: Record<string, string> = {}
  for (const name of names) {
    const { flag, default: standard } = settings[name]
    const candidates: readonly (readonly [string, string | undefined])[] = [
      [`--${flag}`, flags.values.get(flag)],
      [environmentName(flag), isOfKubernetes(environment[environmentName(flag)]) ? undefined : environment[environmentName(flag)]],
      [given ?? defaultFile, file.get(flag)],
      ['default', standard],
    ]
    const [source, text] = candidates.find(([, value]) => value !== undefined) as readonly [string, string]
    try {
      values[name] = settings[name].is.read(text)
    } catch (error) {
      const place =
        source.startsWith('--') || source.startsWith('MOORING_') ? source : source === 'default' ? `--${flag}` : `${source}: ${flag}`
      throw new SettingError(`${place} takes ${(error as Error).message}; it was given "${text}".`)
    }
    sources[name] = source
  }
  return {
    settings: Object.freeze(values) as Settings,
    sources: sources as Record<SettingName, string>,
    command: flags.command,
    scramUser: flags.values.get('scram-user') ?? '',
    warnings: unknownVariables(environment),
  }
}

/** All defaults, with what the caller says instead: for tests and for programs that embed the hub. Reads no file and no environment. */
export function settingsWith(changes: Partial<Settings>): Settings {
  const defaults = Object.fromEntries(names.map((name) => [name, settings[name].is.read(settings[name].default)])) as Settings
  return Object.freeze({ ...defaults, ...changes })
}

function environmentName(flag: string): string {
  return `MOORING_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** MOORING_PORT is a setting, and what Kubernetes sets for a service of this name: an address such as tcp://10.0.0.1:8080. */
function isOfKubernetes(value: string | undefined): boolean {
  return /^(tcp|udp|sctp):\/\//.test(value ?? '')
}

function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set(['MOORING_CONFIG', ...names.map((name) => environmentName(settings[name].flag))])
  return Object.entries(environment)
    .filter(([name]) => name.startsWith('MOORING_') && !known.has(name) && !foreignVariables.test(name))
    .filter(([, value]) => !isOfKubernetes(value))
    .map(([name]) => {
      const flag = name.slice('MOORING_'.length).toLowerCase().replaceAll('_', '-')
      return `There is no setting ${name}, so it is passed over. ${nearest(flag, environmentName)}--help lists them all.`
    })
}

function readFlags(argv: readonly string[]): { command: Configuration['command']; values: Map<string, string> } {
  const values = new Map<string, string>()
  let command: Configuration['command'] = 'run'
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string
    if (word === '--help' || word === '-h') command = 'help'
    else if (word === '--check') command = 'check'
    else if (word === '--version') command = 'version'
    else {
      const [flag = '', attached] = splitOnce(word.startsWith('--') ? word.slice(2) : '', '=')
      const known = names.find((name) => settings[name].flag === flag)
      if (known === undefined && flag !== 'config' && flag !== 'scram-user')
        throw new SettingError(`There is no setting ${word}. ${nearest(flag)}--help lists them all.`)
      const standsAlone = known !== undefined && settings[known].is.placeholder === ''
      const following = argv[at + 1]
      if (attached !== undefined) values.set(flag, attached)
      else if (standsAlone) values.set(flag, '')
      else if (following !== undefined) {
        values.set(flag, following)
        at++
      } else throw new SettingError(`--${flag} needs a value after it.`)
      if (flag === 'scram-user') command = 'scram-user'
    }
  }
  return { command, values }
}

function readFile(file: string, mustExist: boolean): Map<string, string> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (!mustExist && (error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw new SettingError(`The settings file ${file} cannot be read: ${(error as Error).message}.`)
  }
  let table: Record<string, unknown>
  try {
    table = parseToml(text)
  } catch (error) {
    throw new SettingError(`The settings file ${file} is not TOML: ${(error as Error).message.split('\n')[0]}.`)
  }
  const values = new Map<string, string>()
  for (const [key, value] of Object.entries(table)) {
    if (!names.some((name) => settings[name].flag === key))
      throw new SettingError(`${file} sets ${key}, which does not exist. ${nearest(key)}--help lists all settings.`)
    values.set(key, Array.isArray(value) ? value.join(',') : String(value))
  }
  return values
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)]
}

/** "Did you mean …? " for a name that is a typing error or two away from a setting; else nothing. */
function nearest(word: string, write = (flag: string) => `--${flag}`): string {
  const [closest] = ['config', ...names.map((name) => settings[name].flag)].sort((a, b) => distance(word, a) - distance(word, b))
  return closest !== undefined && distance(word, closest) <= 2 ? `Did you mean ${write(closest)}? ` : ''
}

/** Levenshtein's: letters to add, drop or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const above = row
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((above[j] as number) + 1, (row[j - 1] as number) + 1, change))
    }
  }
  return row[b.length] as number
}

/** What `--help` prints. */
export function helpText(): string {
  const rows = names.map((name) => {
    const { flag, is, says, default: standard } = settings[name]
    return [`--${flag}${is.placeholder === '' ? '' : ` ${is.placeholder}`}`, `${says}${standard === '' ? '' : ` [${standard}]`}`] as const
  })
  rows.push(['--config PATH', `settings file in TOML, keys as the flags without -- [${defaultFile}, when there is one]`])
  rows.push(['--check', 'print every setting with its value and where it came from, then exit'])
  rows.push(['--scram-user NAME', 'print a line for --scram-file, made of the password that comes as one line on stdin, then exit'])
  rows.push(['--version', 'print the version, then exit'])
  const width = 26
  // A flag too long for its column stands on a line of its own.
  const lines = rows.map(([flag, says]) =>
    flag.length > width ? `  ${flag}\n${' '.repeat(width + 4)}${says}` : `  ${flag.padEnd(width)}  ${says}`,
  )
  return [
    'Mooring, an IoT connection hub.',
    '',
    'npm start -- [settings]',
    '',
    ...lines,
    '',
    `Each is also a variable: --mqtt-port is ${environmentName('mqtt-port')}.`,
  ].join('\n')
}

/** Their values are nobody's to see. */
const secrets: readonly SettingName[] = ['authSecret']

/** What `--check` prints. */
export function checkText({ settings: values, sources }: Configuration): string {
  const rows = names.map((name) => [settings[name].flag, shown(name, String(values[name])), sources[name]] as const)
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)))
  return rows
    .map(([flag, value, source]) => `${flag.padEnd(widths[0] as number)}  ${value.padEnd(widths[1] as number)}  ${source}`)
    .join('\n')
}

function shown(name: SettingName, value: string): string {
  return secrets.includes(name) && value !== '' ? '(not shown)' : value
}
