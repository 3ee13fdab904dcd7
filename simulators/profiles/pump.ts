// A water pump: it runs in shifts, and its vibration grows with the age of the bearing until someone replaces it.
import type { Random } from '../random.ts'
import { type Profile, type Reading, rounded } from './profile.ts'

const serviceAtWear = 1

export const pump: Profile = {
  says: 'pressure, flow, power and the vibration of an ageing bearing; MQTT 5',
  wire: 'mqtt-5',
  everySeconds: 2,
  keepAliveSeconds: 30,
  keepsSession: true,

  start(random: Random) {
    const nominalRpm = random.between(1420, 1480)
    const wearPerSecond = 1 / random.between(20_000, 90_000)
    let wear = random.between(0, 0.7)
    let running = random.chance(0.8)
    let rpm = running ? nominalRpm : 0

    return (seconds: number): Reading => {
      if (random.chance(seconds / (running ? 1800 : 300))) running = !running
      rpm += ((running ? nominalRpm : 0) - rpm) * (1 - Math.exp(-seconds / 4)) // a spinning mass takes seconds to follow
      wear = wear >= serviceAtWear ? 0 : wear + (running ? wearPerSecond * seconds : 0)
      const load = rpm / nominalRpm
      return {
        running,
        rpm: rounded(rpm + (running ? random.noise(3) : 0), 0),
        pressure: rounded(0.2 + 3.8 * load * load + random.noise(0.03), 2), // bar: grows with the square of the speed
        flow: rounded(Math.max(0, 42 * load + random.noise(0.4)), 1), // m³/h: grows with the speed
        power: rounded(0.1 + 7.4 * load ** 3 * (1 + 0.1 * wear) + Math.abs(random.noise(0.02)), 2), // kW: with its cube
        vibration: rounded(0.3 + 1.2 * load + 4.5 * load * wear ** 3 + Math.abs(random.noise(0.08)), 2), // mm/s
      }
    }
  },
}
