// Principals without credentials behind them, for tests of parts that only ask what somebody may do.
import type { Identity, Rule } from '../../devices/identity.ts'
import { adminRole, Principal } from '../../hub/access/principal.ts'

const anonymous: Identity = { is: 'anonymous', name: '', role: adminRole, rules: [], tags: {}, credential: undefined, until: undefined }

const parts = { assertClientId() {}, allowanceOf: () => undefined }

/** Nothing is refused to it. */
export const anybody = new Principal(anonymous, '', parts)

/** A device with these rules. */
export function deviceWith(name: string, rules: readonly Rule[], clientId = name): Principal {
  return new Principal({ ...anonymous, is: 'device', name, role: 'tested', rules, credential: 'c1' }, clientId, parts)
}
