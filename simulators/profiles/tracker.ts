// A vehicle tracker: it drives in bends around a town, halts at times, and its battery is charged while it drives.
import type { Random } from '../random.ts'
import { type Profile, type Reading, rounded } from './profile.ts'

const metresPerDegree = 111_320
const home = { latitude: 47.37, longitude: 8.54 }
const leashMetres = 12_000 // farther than this it turns for home, so that a map of the fleet stays a map of a town

/** What both trackers share; they differ in their wire. */
const tracks = {
  everySeconds: 5,
  keepAliveSeconds: 60,
  keepsSession: false,

  start(random: Random) {
    let north = random.noise(2000)
    let east = random.noise(2000)
    let heading = random.between(0, 360)
    let speed = random.between(0, 50) // km/h
    let haltSeconds = 0
    let battery = random.between(40, 100)

    return (seconds: number): Reading => {
      if (haltSeconds > 0) haltSeconds -= seconds
      else if (random.chance(seconds / 240)) haltSeconds = random.between(10, 120)
      const wanted = haltSeconds > 0 ? 0 : random.between(20, 60)
      speed += (wanted - speed) * (1 - Math.exp(-seconds / 8))
      const isFar = Math.hypot(north, east) > leashMetres
      heading = isFar ? degrees(Math.atan2(-east, -north)) : degrees(((heading + random.noise(4 * Math.min(seconds, 10))) * Math.PI) / 180)
      const metres = (speed / 3.6) * seconds
      north += metres * Math.cos((heading * Math.PI) / 180)
      east += metres * Math.sin((heading * Math.PI) / 180)
      battery = Math.min(100, Math.max(5, battery + (speed > 2 ? 0.004 : -0.002) * seconds))
      return {
        latitude: rounded(home.latitude + north / metresPerDegree, 6),
        longitude: rounded(home.longitude + east / (metresPerDegree * Math.cos((home.latitude * Math.PI) / 180)), 6),
        speed: rounded(Math.max(0, speed), 1),
        heading: rounded(heading, 0) % 360,
        battery: rounded(battery, 1),
      }
    }
  },
} satisfies Omit<Profile, 'says' | 'wire'>

export const tracker: Profile = { ...tracks, says: 'a vehicle on the move: position, speed, battery; HTTP', wire: 'http' }

export const webTracker: Profile = { ...tracks, says: 'the same vehicle, MQTT over WebSocket', wire: 'mqtt-websocket' }

/** Radians of any size into 0 to 360. */
function degrees(radians: number): number {
  const turned = ((radians * 180) / Math.PI) % 360
  return turned < 0 ? turned + 360 : turned
}
