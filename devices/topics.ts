// The topic plan: which topic is telemetry, state, command, reply. The one place that knows the words.
import { type DeviceId, isDeviceId } from './device.ts'
import type { ForeignDialect } from './dialects/dialect.ts'

export type Meaning =
  | { readonly is: 'telemetry'; readonly deviceId: DeviceId; readonly metric: string | undefined }
  /** What the device says of its state: a merge patch of the reported document of a twin. */
  | { readonly is: 'reported'; readonly deviceId: DeviceId; readonly twin: string }
  /** What its state should be, in the hub's words. */
  | { readonly is: 'desired'; readonly deviceId: DeviceId; readonly twin: string }
  | { readonly is: 'command'; readonly deviceId: DeviceId; readonly commandId: string }
  | { readonly is: 'reply'; readonly deviceId: DeviceId; readonly commandId: string }
  /** Something that has happened to it, in its own words. */
  | { readonly is: 'event'; readonly deviceId: DeviceId; readonly name: string }
  /** What it asks of the hub, and what the hub answers. */
  | { readonly is: 'call'; readonly deviceId: DeviceId; readonly callId: string }
  | { readonly is: 'answer'; readonly deviceId: DeviceId; readonly callId: string }
  /** How it is connected, in the hub's words. */
  | { readonly is: 'presence'; readonly deviceId: DeviceId }
  /** Of a gateway: whether a child of it is there, `online` or `offline`. */
  | { readonly is: 'child'; readonly deviceId: DeviceId; readonly child: DeviceId }
  /** Which of its metrics have fallen silent, or speak again, in the hub's words. */
  | { readonly is: 'freshness'; readonly deviceId: DeviceId }
  /** Anything else of a device. */
  | { readonly is: 'device'; readonly deviceId: DeviceId }
  /** In the words of a dialect: what it means depends on who says it. */
  | { readonly is: 'spoken'; readonly dialect: ForeignDialect }
  | { readonly is: 'bad-device-id'; readonly text: string }
  | { readonly is: 'plain' }

const plain: Meaning = { is: 'plain' }

/** What a topic name means. Everything below `devices/{id}/` belongs to that device; the rest is plain publish/subscribe. */
export function meaningOf(topic: string): Meaning {
  if (!topic.startsWith('devices/')) return plain
  const idEnd = topic.indexOf('/', 8)
  if (idEnd === -1) return plain
  const deviceId = topic.slice(8, idEnd)
  if (!isDeviceId(deviceId)) return { is: 'bad-device-id', text: deviceId }
  const rest = topic.slice(idEnd + 1)
  if (rest === 'telemetry') return { is: 'telemetry', deviceId, metric: undefined }
  if (rest.startsWith('telemetry/')) return { is: 'telemetry', deviceId, metric: rest.slice(10) }
  return meaningOfRest(deviceId, rest.split('/')) ?? { is: 'device', deviceId }
}

function meaningOfRest(deviceId: DeviceId, levels: readonly string[]): Meaning | undefined {
  const [kind, one = '', two] = levels
  if ((kind === 'presence' || kind === 'freshness') && levels.length === 1) return { is: kind, deviceId }
  if (levels.some((level) => level === '')) return undefined
  if (kind === 'state' && levels.length <= 3) {
    const [twin, part] = levels.length === 2 ? [mainTwin, one] : [one, two]
    return part === 'reported' || part === 'desired' ? { is: part, deviceId, twin } : undefined
  }
  if (levels.length !== 2) return undefined
  switch (kind) {
    case 'commands':
      return { is: 'command', deviceId, commandId: one }
    case 'replies':
      return { is: 'reply', deviceId, commandId: one }
    case 'events':
      return { is: 'event', deviceId, name: one }
    case 'calls':
      return { is: 'call', deviceId, callId: one }
    case 'answers':
      return { is: 'answer', deviceId, callId: one }
    case 'children':
      return isDeviceId(one) ? { is: 'child', deviceId, child: one } : { is: 'bad-device-id', text: one }
    default:
      return undefined
  }
}

/** What the twin is called that needs no name. */
export const mainTwin = 'main'

export function telemetryTopic(deviceId: DeviceId): string {
  return `devices/${deviceId}/telemetry`
}

/** Where a device that comes by a provisioning key is told its token; nothing else is ever said there by the hub. */
export function credentialTopic(deviceId: DeviceId): string {
  return `devices/${deviceId}/credential`
}

export function desiredTopic(deviceId: DeviceId, twin: string): string {
  return twin === mainTwin ? `devices/${deviceId}/state/desired` : `devices/${deviceId}/state/${twin}/desired`
}

export function reportedTopic(deviceId: DeviceId, twin: string): string {
  return twin === mainTwin ? `devices/${deviceId}/state/reported` : `devices/${deviceId}/state/${twin}/reported`
}

export function freshnessTopic(deviceId: DeviceId): string {
  return `devices/${deviceId}/freshness`
}

export function presenceTopic(deviceId: DeviceId): string {
  return `devices/${deviceId}/presence`
}

/** Where a gateway says whether a child of it is there. */
export function childTopic(gateway: DeviceId, child: DeviceId): string {
  return `devices/${gateway}/children/${child}`
}

/** `commandId` is one topic level. */
export function commandTopic(deviceId: DeviceId, commandId: string): string {
  return `devices/${deviceId}/commands/${commandId}`
}

/** `callId` is one topic level. */
export function callTopic(deviceId: DeviceId, callId: string): string {
  return `devices/${deviceId}/calls/${callId}`
}

/** `callId` is one topic level. */
export function answerTopic(deviceId: DeviceId, callId: string): string {
  return `devices/${deviceId}/answers/${callId}`
}

/** `commandId` is one topic level. */
export function replyTopic(deviceId: DeviceId, commandId: string): string {
  return `devices/${deviceId}/replies/${commandId}`
}
