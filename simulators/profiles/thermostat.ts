// A room thermostat: the heating switches around a target, the room warms up and cools down towards the weather.
import type { Random } from '../random.ts'
import { type Profile, type Reading, rounded } from './profile.ts'

export const thermostat: Profile = {
  says: 'room temperature around a target, heating on and off; MQTT 3.1.1',
  wire: 'mqtt-3.1.1',
  everySeconds: 10,
  keepAliveSeconds: 60,
  keepsSession: false,

  start(random: Random) {
    const outside = random.between(-5, 12)
    const heatingKelvinPerSecond = random.between(0.004, 0.008)
    const lossPerSecond = random.between(0.00005, 0.00012)
    let target = rounded(random.between(19, 22.5) * 2, 0) / 2 // people turn the knob in half degrees
    let temperature = target + random.noise(0.8)
    let heating = temperature < target

    return (seconds: number): Reading => {
      if (random.chance(seconds / 7200)) target = rounded(random.between(17, 23.5) * 2, 0) / 2
      // Half a kelvin of hysteresis: real ones have it, so that the boiler does not clatter.
      if (temperature < target - 0.25) heating = true
      else if (temperature > target + 0.25) heating = false
      const perSecond = (heating ? heatingKelvinPerSecond : 0) - lossPerSecond * (temperature - outside)
      // Long steps would overshoot what the hysteresis cuts off; five minutes at a time is as coarse as this model goes.
      temperature = Math.min(Math.max(temperature + perSecond * Math.min(seconds, 300), 5), 35)
      return { temperature: rounded(temperature + random.noise(0.05), 1), target, heating }
    }
  },
}
