// The table of all profiles. A new one is a file beside this one and a line in here.
import { flaky } from './flaky.ts'
import type { Profile } from './profile.ts'
import { pump } from './pump.ts'
import { thermostat } from './thermostat.ts'
import { tracker, webTracker } from './tracker.ts'

export const profiles = {
  thermostat,
  pump,
  tracker,
  'web-tracker': webTracker,
  flaky,
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof profiles

export function isProfileName(text: string): text is ProfileName {
  return Object.hasOwn(profiles, text)
}
