// What is printed once the hub listens: for people one short page, for programs one line of JSON.
import { join } from 'node:path'
import { isLoopback } from './access/peer.ts'
import type { Listener } from './api/parts.ts'
import type { Settings } from './config.ts'
import type { Hub } from './hub.ts'
import { version } from './version.ts'

export function readyPage(hub: Hub, settings: Settings, startMs: number): string {
  const { mqtt, http, mqtts, https, all } = hub.listeners
  const web = `http://${hostOf(http.address)}:${http.port}`
  const servesTls = mqtts !== null || https !== null || all !== null
  const lines = [
    `Mooring ${version} is ready after ${Math.round(startMs)} ms.`,
    '',
    `  Dashboard   ${web}/`,
    `  HTTP API    ${web}/v1/   (described at ${web}/docs)`,
    mqtt === null
      ? '  MQTT        off'
      : `  MQTT        mqtt://${hostOf(mqtt.address)}:${mqtt.port}   and over WebSocket at ws://${hostOf(http.address)}:${http.port}/mqtt`,
    ...(mqtts === null && https === null ? [] : [`  TLS         ${tlsWords(mqtts, https)}`]),
    ...(all === null ? [] : [`  One port    ${hostOf(all.address)}:${all.port}   (MQTT, HTTP, and both over TLS)`]),
    ...(servesTls && settings.tlsCert === ''
      ? [`  CA          ${join(settings.data, 'tls', 'ca.crt')}   (made by this hub: who trusts it may come over TLS)`]
      : []),
    `  Data        ${settings.data}   (${durabilityWords[settings.durability]})`,
    ...extensionLines(hub),
    '',
    ...(settings.allowAnonymous === 'nobody' ? [] : firstReading(hub, web)),
    ...whoIsLetIn(hub, settings),
    '',
  ]
  return lines.join('\n')
}

function extensionLines({ extensions }: Hub): string[] {
  return extensions.all().map(({ name, state, error }, at) => {
    const title = at === 0 ? 'Extensions' : ''
    return `  ${title.padEnd(12)}${name}${state === 'ready' ? '' : `   (NOT THERE: its set-up failed: ${error})`}`
  })
}

function firstReading({ listeners: { mqtt } }: Hub, web: string): string[] {
  const lines = [
    'Send a first reading and watch it on the dashboard:',
    '',
    `  curl -d '{"temperature":61.3}' ${web}/v1/devices/boiler-1/telemetry`,
  ]
  if (mqtt !== null)
    lines.push(`  mosquitto_pub -h ${hostOf(mqtt.address)} -p ${mqtt.port} -t devices/boiler-1/telemetry -q 1 -m '{"temperature":61.2}'`)
  return [...lines, '']
}

function whoIsLetIn(hub: Hub, { allowAnonymous }: Settings): string[] {
  if (allowAnonymous === 'everyone') return ['Everyone who can reach this address is let in without credentials (--allow-anonymous).']
  if (allowAnonymous === 'loopback' && isLoopback(hub.listeners.http.address))
    return ['This machine is let in without credentials, and nobody else can reach the hub (--listen).']
  const link = setUpLink(hub)
  return [
    allowAnonymous === 'nobody'
      ? 'Nobody is let in without credentials.'
      : 'Only this machine is let in without credentials; --allow-anonymous lets everyone in.',
    'Give each device a credential of its own:',
    '',
    '  npx mooring credentials create boiler-1',
    ...(link === null
      ? []
      : ['', 'Nobody can log in yet. Open this link within a day to make the first admin; it works once:', '', `  ${link}`]),
  ]
}

/** Behind the #, which browsers keep to themselves: so the token is in no log of a server or a proxy. */
function setUpLink({ listeners: { http, https }, setUpToken }: Hub): string | null {
  if (setUpToken === undefined) return null
  const web = https === null ? `http://${hostOf(http.address)}:${http.port}` : `https://${hostOf(https.address)}:${https.port}`
  return `${web}/setup#${setUpToken}`
}

export function readyJson(hub: Hub): string {
  const { mqtt, http, mqtts, https, all } = hub.listeners
  const ports = { mqtt: portOf(mqtt), http: http.port, mqtts: portOf(mqtts), https: portOf(https), port: portOf(all) }
  const link = setUpLink(hub)
  return JSON.stringify({ ready: true, ...ports, pid: process.pid, ...(link === null ? {} : { setup: link }) })
}

function portOf(listener: Listener | null): number | null {
  return listener?.port ?? null
}

function tlsWords(mqtts: Listener | null, https: Listener | null): string {
  const words = []
  if (mqtts !== null) words.push(`mqtts://${hostOf(mqtts.address)}:${mqtts.port}`)
  if (https !== null) words.push(`https://${hostOf(https.address)}:${https.port}/`)
  return words.join('   and ')
}

const durabilityWords = {
  fsync: 'stored means on disk: it survives a power cut',
  batched: 'WEAKER DURABILITY: what was stored survives a crash of the hub, not a power cut',
  memory: 'WEAKEST DURABILITY: messages are answered before they are on disk and do not survive a crash',
} as const

/** An address to type: the unspecified one is reached on loopback. */
function hostOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}
