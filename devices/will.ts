// The last will: what is published for a client whose connection ends without a goodbye.
import type { QoS } from './message.ts'

/** MQTT 5 section 3.1.2.5, 3.1.1 section 3.1.2.5. */
export interface Will {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  /** As in `Message.properties`. */
  readonly properties: Uint8Array | undefined
  /** 5: seconds to wait, in case the client comes back.  [MQTT-3.1.3-9] */
  readonly delaySeconds: number
}
