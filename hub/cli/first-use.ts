// What to type next: lines that use a new credential, with the host and the ports of this hub. The secret itself is not in them, because a
// line that is typed is kept by the shell; it stands in a variable.
import { askJson, type HubAddress, targetOf } from './connection.ts'
import type { NewCredential } from './credentials.ts'

interface Listener {
  readonly address: string
  readonly port: number
}

interface HubAnswer {
  readonly listeners: Readonly<Record<'mqtt' | 'http' | 'mqtts' | 'https' | 'all', Listener | null>>
}

/** How the hub is reached by each wire, and whether that is over TLS. */
interface Ways {
  readonly mqtt: { readonly host: string; readonly port: number; readonly tls: boolean } | undefined
  readonly url: string
}

/** Where somebody keeps a certificate and its key. */
interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

/** What whoever made them may have called them. */
const anyFiles: CertificateFiles = { cert: 'device.crt', key: 'device.key' }

/** What stderr says beneath a secret. Errors: `CommandError`. */
export async function hintFor(hub: HubAddress, made: NewCredential, signal: AbortSignal, files = anyFiles): Promise<string> {
  const ways = await waysTo(hub, signal)
  const { kind, of } = made
  const first = {
    token: `mooring: the token of ${of.name}, said this once. With it in the variable TOKEN it is used like this:`,
    password: `mooring: the password of ${made.name}, said this once. With it in the variable PASSWORD it is used like this:`,
    certificate: `mooring: ${of.name} comes in by its certificate, over TLS, and like this:`,
  }[kind]
  const lines = kind === 'certificate' ? linesOfCertificate(hub, made, ways, files) : linesOfSecret(hub, made, ways)
  const tls = lines.some((line) => line.includes(standardCa))
  const note =
    tls && hub.ca === undefined
      ? [`mooring: ${standardCa} is the CA of the hub, below the folder it was started in; mooring ca show prints it.`]
      : []
  return `${[first, '', ...lines.map((line) => `  ${line}`), '', ...note].join('\n')}\n`
}

/** Where a hub keeps its CA unless told otherwise. */
const standardCa = 'data/tls/ca.crt'
const reading = `'{"temperature":61.3}'`

function linesOfSecret(hub: HubAddress, { kind, of, name }: NewCredential, { mqtt, url }: Ways): string[] {
  const variable = kind === 'token' ? '$TOKEN' : '$PASSWORD'
  const user = kind === 'token' ? of.name : name
  const proof = kind === 'token' ? `-H "Authorization: Bearer ${variable}"` : `-u ${word(user)}:"${variable}"`
  const ca = word(hub.ca ?? standardCa)
  const lines = []
  if (mqtt !== undefined) {
    const tls = mqtt.tls ? `--cafile ${ca} ` : ''
    const account = `-i ${word(of.name)} -u ${word(user)} -P "${variable}"`
    const where = `-t ${word(`devices/${of.name}/telemetry`)} -q 1 -m ${reading}`
    lines.push(`mosquitto_pub -h ${mqtt.host} -p ${mqtt.port} ${tls}${account} ${where}`)
  }
  const tls = url.startsWith('https:') ? `--cacert ${ca} ` : ''
  return [...lines, `curl ${tls}${proof} -d ${reading} ${word(`${url}/v1/devices/${of.name}/telemetry`)}`]
}

function linesOfCertificate(hub: HubAddress, { of }: NewCredential, { mqtt, url }: Ways, { cert, key }: CertificateFiles): string[] {
  const ca = word(hub.ca ?? standardCa)
  const proof = `--cert ${word(cert)} --key ${word(key)}`
  const lines = []
  if (mqtt?.tls === true) {
    const where = `-t ${word(`devices/${of.name}/telemetry`)} -q 1 -m ${reading}`
    lines.push(`mosquitto_pub -h ${mqtt.host} -p ${mqtt.port} --cafile ${ca} ${proof} -i ${word(of.name)} ${where}`)
  }
  if (url.startsWith('https:')) lines.push(`curl --cacert ${ca} ${proof} -d ${reading} ${word(`${url}/v1/devices/${of.name}/telemetry`)}`)
  return lines.length === 0 ? ['(the hub serves no TLS now: --mqtts-port and --https-port)'] : lines
}

async function waysTo(hub: HubAddress, signal: AbortSignal): Promise<Ways> {
  const { listeners } = await askJson<HubAnswer>(hub, { method: 'GET', path: '/v1/hub', signal })
  const { mqtt, mqtts, https, all } = listeners
  const target = targetOf(hub.url, '')
  const host = (listener: Listener) => hostOf(listener, target.hostname)
  const wire = mqtts ?? all ?? mqtt
  const base = target.href.replace(/\/$/, '')
  return {
    mqtt: wire === null ? undefined : { host: host(wire).replace(/^\[|\]$/g, ''), port: wire.port, tls: wire !== mqtt },
    url: https === null || target.protocol === 'https:' ? base : `https://${host(https)}:${https.port}`,
  }
}

/** One that listens on every address is reached as this program reaches the hub. */
function hostOf({ address }: Listener, reachedBy: string): string {
  if (address === '0.0.0.0' || address === '::') return reachedBy
  return address.includes(':') ? `[${address}]` : address
}

/** As a shell takes it. */
export function word(text: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
