// How one device's readings get to the hub, whatever wire it prefers. One factory per wire; the device does not know which it has.
import { HttpDevice } from './clients/http.ts'
import { connectMqtt } from './clients/mqtt.ts'
import { MqttSession } from './clients/session.ts'
import { dial } from './clients/wire.ts'
import type { Profile, WireName } from './profiles/profile.ts'

/** Where the hub is: MQTT over TCP at one place, HTTP and WebSockets at the other. */
export interface Hub {
  readonly mqtt: URL
  readonly http: URL
}

/** One connection, as a device sees it. */
export interface Uplink {
  /** Settles with what the hub said. Rejects when the connection is gone: then the reading is still the device's. */
  send(payload: string): Promise<'acknowledged' | 'refused'>
  /** Settles with the reason when the connection is over. HTTP has none to lose, so there it settles only after `close`. */
  readonly closed: Promise<string>
  /** Says goodbye as the protocol wants it. */
  close(): Promise<void>
  pullCable(): void
  goSilent(): void
}

export interface Line {
  /** Opens a connection; rejects when the hub does not answer or refuses. */
  open(signal: AbortSignal): Promise<Uplink>
  /** Forgets what a kept session still waits for. */
  abandon(): void
}

/** The line of one device, for its whole life. */
export function lineOf(profile: Profile, deviceId: string, hub: Hub): Line {
  switch (profile.wire) {
    case 'mqtt-3.1.1':
    case 'mqtt-5':
    case 'mqtt-websocket':
      return mqttLine(profile, deviceId, profile.wire === 'mqtt-websocket' ? webSocketUrl(hub.http) : hub.mqtt)
    case 'http':
      return httpLine(deviceId, hub.http)
  }
}

export function usesMqttPort(wire: WireName): boolean {
  return wire === 'mqtt-3.1.1' || wire === 'mqtt-5'
}

function mqttLine({ wire, keepAliveSeconds, keepsSession }: Profile, deviceId: string, url: URL): Line {
  const version = wire === 'mqtt-5' ? '5' : '3.1.1'
  const keptSession = new MqttSession(deviceId, version)
  const kept = keepsSession ? { cleanStart: false, ...(wire === 'mqtt-5' ? { sessionExpirySeconds: 3600 } : {}) } : {}
  const topic = `devices/${deviceId}/telemetry`
  return {
    abandon: () => keptSession.abandon('The device gave up.'),
    open: async (signal) => {
      const session = keepsSession ? keptSession : new MqttSession(deviceId, version)
      const client = await connectMqtt(await dial(url, { signal }), session, { keepAliveSeconds, ...kept, signal })
      return {
        send: async (payload) => ((await client.publish(topic, payload, { qos: 1 })) < 0x80 ? 'acknowledged' : 'refused'),
        closed: client.closed,
        close: () => client.disconnect(),
        pullCable: () => client.pullCable(),
        goSilent: () => client.goSilent(),
      }
    },
  }
}

function httpLine(deviceId: string, url: URL): Line {
  return {
    abandon: () => {},
    open: async (signal) => {
      const device = new HttpDevice(url, deviceId)
      let over: (why: string) => void = () => {}
      const closed = new Promise<string>((resolve) => {
        over = resolve
      })
      const end = (why: string) => {
        device.close()
        over(why)
      }
      return {
        send: async (payload) => {
          const { status } = await device.post(payload, signal)
          if (status >= 200 && status < 300) return 'acknowledged'
          // 4xx will not get better by sending again; 429 and 5xx may, so the reading stays with the device.
          if (status !== 429 && status < 500) return 'refused'
          throw new Error(`The hub answered ${status}.`)
        },
        closed,
        close: async () => end('Closed.'),
        pullCable: () => end('The cable was pulled.'),
        goSilent: () => {},
      }
    },
  }
}

function webSocketUrl(http: URL): URL {
  const url = new URL('/mqtt', http)
  url.protocol = 'ws:'
  return url
}
