// What is printed once the hub listens: for people one short page, for programs one line of JSON.
import { join } from 'node:path'
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
    '',
    'Send a first reading and watch it on the dashboard:',
    '',
    `  curl -d '{"temperature":61.3}' ${web}/v1/devices/boiler-1/telemetry`,
  ]
  if (mqtt !== null)
    lines.push(`  mosquitto_pub -h ${hostOf(mqtt.address)} -p ${mqtt.port} -t devices/boiler-1/telemetry -q 1 -m '{"temperature":61.2}'`)
  if (settings.allowAnonymous === 'everyone')
    lines.push('', 'Everyone who can reach this address is let in without credentials (--allow-anonymous).')
  else if (!http.address.startsWith('127.') && http.address !== '::1') {
    lines.push('', 'Only this machine is let in without credentials; --allow-anonymous lets everyone in.')
  }
  lines.push('')
  return lines.join('\n')
}

export function readyJson(hub: Hub): string {
  const { mqtt, http, mqtts, https, all } = hub.listeners
  const ports = { mqtt: portOf(mqtt), http: http.port, mqtts: portOf(mqtts), https: portOf(https), port: portOf(all) }
  return JSON.stringify({ ready: true, ...ports, pid: process.pid })
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
