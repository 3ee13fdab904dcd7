import type { Translated } from '../../language.ts'
import type { commandStates as english } from '../command-states.ts'

export const commandStates: Translated<typeof english> = {
  states: {
    queued: 'Wartet',
    sent: 'Gesendet',
    received: 'Erhalten',
    done: 'Ausgeführt',
    effective: 'Wirksam',
    failed: 'Gescheitert',
    expired: 'Verfallen',
    cancelled: 'Abgebrochen',
  },
  steps: {
    queued: 'wartet',
    sent: 'gesendet',
    received: 'erhalten',
    done: 'ausgeführt',
    effective: 'wirksam',
    failed: 'gescheitert',
    expired: 'verfallen',
    cancelled: 'abgebrochen',
  },
}
