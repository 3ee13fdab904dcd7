// A sensor at the edge of the radio's reach. What it measures is simple; that it vanishes is the point: sometimes the cable is gone
// without a DISCONNECT, sometimes the connection stays open and nobody is there. It buffers meanwhile and delivers everything later.
import type { Random } from '../random.ts'
import { type Profile, type Reading, rounded } from './profile.ts'

export const flaky: Profile = {
  says: 'signal strength and humidity from a bad radio link: drops, half-open silences, late deliveries; MQTT 3.1.1',
  wire: 'mqtt-3.1.1',
  everySeconds: 3,
  keepAliveSeconds: 10, // so that the hub's one and a half times this finds the silences while someone watches
  keepsSession: true,

  start(random: Random) {
    let rssi = random.between(-105, -80)
    let humidity = random.between(35, 75)

    return (seconds: number): Reading => {
      const pull = 1 - Math.exp(-seconds / 60)
      rssi = Math.min(-60, Math.max(-120, rssi + (-95 - rssi) * pull + random.noise(4)))
      humidity = Math.min(100, Math.max(0, humidity + (55 - humidity) * pull * 0.1 + random.noise(0.5)))
      return { rssi: rounded(rssi, 0), humidity: rounded(humidity, 1) }
    }
  },

  fault(random: Random) {
    if (random.chance(0.04)) return 'pull-cable'
    return random.chance(0.015) ? 'go-silent' : 'none'
  },
}
