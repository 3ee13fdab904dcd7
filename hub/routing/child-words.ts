// What a gateway says of its children: `online` or `offline`, below `devices/{gateway}/children/`.
import type { DeviceId } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import type { Devices } from './devices.ts'
import type { Meant } from './router.ts'

const words = ['online', 'offline'].map((word) => Buffer.from(word))

/** A gateway that brings devices of its own may say so of one before that says anything. Errors when taken: `not-a-child`, `child-word-invalid`. */
export function childWords(devices: Devices, onSaid: (gateway: DeviceId, child: DeviceId, isOnline: boolean) => void): Meant {
  return {
    taken({ meaning }, bytes, start, end, { permissions }) {
      if (meaning.is !== 'child') return undefined
      const { deviceId: gateway, child: device } = meaning
      const said = bytes.subarray(start, end)
      if (!words.some((word) => word.equals(said))) throw new Refusal('child-word-invalid', { device })
      if (permissions.gatewayOfNew(device) === gateway) devices.numberOf(device, permissions)
      if (devices.gateways.gatewayOf(device) !== gateway) throw new Refusal('not-a-child', { device })
      return undefined
    },
    stored({ meaning }, { payload }) {
      if (meaning.is === 'child') onSaid(meaning.deviceId, meaning.child, payload.length === 'online'.length)
    },
  }
}
