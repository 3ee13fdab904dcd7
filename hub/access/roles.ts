// Roles: names for lists of rules, some built in, some made by admins.
import type { Rule } from '../../devices/identity.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import type { AccessStore } from '../store/access.ts'
import type { Actor } from './credentials.ts'

export interface Role {
  readonly name: string
  readonly rules: readonly Rule[]
  readonly isBuiltIn: boolean
}

const allow = (actions: Rule['actions'], filter: string): Rule => ({ effect: 'allow', actions, filter })
const sees = [allow(['subscribe'], '#'), allow(['subscribe'], '$SYS/#')]

/** What a hub begins with. `#` does not match topics that begin with $, so what the hub says of itself is named.  MQTT 5 section 4.7.2 */
export const builtInRoles: readonly Role[] = [
  { name: 'device', rules: [allow(['publish', 'subscribe', 'retain'], 'devices/%d/#')], isBuiltIn: true },
  { name: 'viewer', rules: sees, isBuiltIn: true },
  { name: 'operator', rules: [...sees, allow(['publish', 'retain', 'command'], '#')], isBuiltIn: true },
  { name: 'admin', rules: [...sees, allow(['publish', 'subscribe', 'retain', 'command', 'admin'], '#')], isBuiltIn: true },
]

export interface RolesParts {
  readonly store: AccessStore
  readonly clock: Clock
  /** The rules, or the clause that says what is wrong with them. */
  readonly readRules: (value: unknown) => readonly Rule[] | string
  /** Told when a role has other rules, or is gone: whoever has it is asked anew. */
  readonly onChanged: (name: string) => void
  readonly limits?: Pick<typeof allLimits, 'roles'>
}

const kind = 'role'
const namePattern = /^[A-Za-z0-9._-]{1,64}$/

export class Roles {
  /** Records that could not be read at the start, by name. Who has such a role may do nothing. */
  readonly unreadable: readonly string[]
  readonly #roles: Map<string, Role>
  readonly #parts: RolesParts
  readonly #rolesMax: number
  /** Roles whose first write is under way: they take a place already. */
  #writing = 0

  constructor(parts: RolesParts) {
    this.#parts = parts
    this.#rolesMax = (parts.limits ?? allLimits).roles + builtInRoles.length
    this.#roles = new Map(builtInRoles.map((role) => [role.name, role]))
    const records = parts.store.atStart.filter((record) => record.kind === kind)
    this.unreadable = records.filter(({ id, body }) => !this.#load(id, body)).map(({ id }) => id)
  }

  find(name: string): Role | undefined {
    return this.#roles.get(name)
  }

  /** None for a role that is not there: without a rule nothing is allowed. */
  rulesOf(name: string): readonly Rule[] {
    return this.#roles.get(name)?.rules ?? []
  }

  /** Whether its rules speak of tags. */
  asksForTags(name: string): boolean {
    return this.rulesOf(name).some(({ filter }) => filter.includes('%t('))
  }

  all(): Role[] {
    return [...this.#roles.values()]
  }

  /** Makes the role, or gives it other rules. Errors: `Refusal`. */
  async put(name: string, rules: unknown, by: Actor): Promise<Role> {
    if (!namePattern.test(name)) throw invalid('its name is 1 to 64 letters, digits or . _ -')
    this.#assertNotBuiltIn(name)
    const read = this.#parts.readRules(rules)
    if (typeof read === 'string') throw invalid(read)
    const isNew = !this.#roles.has(name)
    if (isNew && this.#roles.size + this.#writing >= this.#rolesMax)
      throw new Refusal('too-many-roles', { limit: this.#rolesMax - builtInRoles.length })
    const role = { name, rules: read, isBuiltIn: false }
    if (isNew) this.#writing++
    try {
      await this.#write(name, JSON.stringify(read), 'put', by)
    } finally {
      if (isNew) this.#writing--
    }
    this.#roles.set(name, role)
    this.#parts.onChanged(name)
    return role
  }

  /** Who has it may do nothing from now on. Errors: `Refusal`. */
  async remove(name: string, by: Actor): Promise<void> {
    this.#assertNotBuiltIn(name)
    if (!this.#roles.has(name)) throw new Refusal('role-unknown', { name: JSON.stringify(name.slice(0, 64)) })
    await this.#write(name, null, 'remove', by)
    this.#roles.delete(name)
    this.#parts.onChanged(name)
  }

  #write(name: string, body: string | null, done: string, { who, from }: Actor): Promise<void> {
    const at = this.#parts.clock.now()
    return this.#parts.store.write(
      [{ kind, id: name, body }],
      [{ at, who, from, action: `role.${done}`, target: `role/${name}`, outcome: 'done', detail: body ?? '' }],
    )
  }

  #assertNotBuiltIn(name: string): void {
    if (this.#roles.get(name)?.isBuiltIn === true) throw invalid(`${name} is built in; make one with another name`)
  }

  #load(name: string, body: string): boolean {
    const rules = this.#parsed(body)
    if (typeof rules === 'string' || this.#roles.has(name)) return false
    this.#roles.set(name, { name, rules, isBuiltIn: false })
    return true
  }

  #parsed(body: string): readonly Rule[] | string {
    try {
      return this.#parts.readRules(JSON.parse(body))
    } catch (error) {
      if (error instanceof SyntaxError) return 'no JSON'
      throw error
    }
  }
}

function invalid(detail: string): Refusal {
  return new Refusal('role-invalid', { detail })
}
