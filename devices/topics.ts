// The topic plan: which topic is telemetry, state, command, reply. The one place that knows the words.
import { type DeviceId, isDeviceId } from './device.ts'

export type Meaning =
  | { readonly is: 'telemetry'; readonly deviceId: DeviceId; readonly metric: string | undefined }
  | { readonly is: 'device'; readonly deviceId: DeviceId }
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
  return { is: 'device', deviceId }
}

export function telemetryTopic(deviceId: DeviceId): string {
  return `devices/${deviceId}/telemetry`
}

/** Where a device that comes by a provisioning key is told its token; nothing else is ever said there by the hub. */
export function credentialTopic(deviceId: DeviceId): string {
  return `devices/${deviceId}/credential`
}

/** `commandId` is one topic level. */
export function replyTopic(deviceId: DeviceId, commandId: string): string {
  return `devices/${deviceId}/replies/${commandId}`
}
