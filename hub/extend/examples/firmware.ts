// Sends a firmware image to a device and waits until the device runs it:
//
//   npm start -- --extensions hub/extend/examples/firmware.ts
//   npx mooring conversations begin pump-7 firmware-update version=1.4.2 --file pump-1.4.2.bin --follow
//
// The device subscribes to devices/{id}/firmware/# at QoS 1. It may lose its connection at any moment: what it has not acknowledged it gets when
// it is back. Should the hub be started anew, the update is begun again, and goes on where the device says that it is (`from`).
import { extension } from 'mooring'

interface Image {
  readonly version: string
  readonly bytes: Uint8Array
}

interface Ready {
  readonly blockBytes: number
  /** So many bytes of this image are there from an earlier try. */
  readonly from?: number
}

export default extension('firmware', (hub) => {
  hub.conversation<Image>('firmware-update', async (device, { version, bytes }, signal) => {
    if (!(bytes instanceof Uint8Array) || bytes.length === 0 || version === undefined)
      throw new Error('It is begun with ?version=… and the image as the body.')
    const sha256 = await hub.offload<string>(new URL('./checksum.ts', import.meta.url), 'sha256', [bytes], { signal })
    await device.send('firmware/offer', { version, bytes: bytes.length, sha256 })
    const { blockBytes, from = 0 } = await device.next<Ready>('firmware/ready', { withinSeconds: 60 })
    if (!(blockBytes > 0)) throw new Error(`The device asked for blocks of ${blockBytes} bytes.`)

    for (let at = from; at < bytes.length; at += blockBytes) {
      signal.throwIfAborted() // somebody pressed Cancel, or the hub is stopping
      await device.send(`firmware/block/${at}`, bytes.subarray(at, at + blockBytes))
    }

    const installed = await device.next<{ version: string }>('firmware/installed', { withinSeconds: 600 })
    return installed.version === version ? 'installed' : 'rolled back'
  })
})
