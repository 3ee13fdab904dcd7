// What the tests of access have in common: storage in memory, and a clock with its wheel.
import type { TestContext } from 'node:test'
import type { Rule } from '../../devices/identity.ts'
import type { AccessChange, AccessRecord, AccessStore, AuditEntry, AuditPage } from '../../hub/store/access.ts'
import { Wheel } from '../../hub/wheel.ts'
import { HandClock } from '../kit/clock.ts'

/** Storage that the disk's part answers elsewhere: it holds what was written, and fails when told to. */
export class MemoryAccessStore implements AccessStore {
  readonly atStart: readonly AccessRecord[]
  readonly audits: AuditEntry[] = []
  readonly #records: Map<string, AccessRecord>
  /** How many records each write changed. */
  readonly writes: number[] = []
  failing = false

  constructor(atStart: readonly AccessRecord[] = []) {
    this.atStart = atStart
    this.#records = new Map(atStart.map((record) => [`${record.kind}/${record.id}`, record]))
  }

  async write(changes: readonly AccessChange[], audit: readonly AuditEntry[]): Promise<void> {
    await Promise.resolve()
    if (this.failing) throw new Error('the disk is gone')
    this.writes.push(changes.length)
    for (const { kind, id, body } of changes) {
      if (body === null) this.#records.delete(`${kind}/${id}`)
      else this.#records.set(`${kind}/${id}`, { kind, id, body })
    }
    this.audits.push(...audit)
  }

  async audit(): Promise<AuditPage> {
    return { entries: this.audits.map((entry, id) => ({ ...entry, id })).reverse(), next: undefined }
  }

  records(kind?: string): AccessRecord[] {
    return [...this.#records.values()].filter((record) => kind === undefined || record.kind === kind)
  }

  /** All that lies on disk, as one text: a secret must not be in it. */
  get text(): string {
    return JSON.stringify([this.records(), this.audits])
  }

  /** The store as the next start finds it. */
  restarted(): MemoryAccessStore {
    return new MemoryAccessStore(this.records())
  }
}

export const admin = { who: 'ada', from: '127.0.0.1' }
export const startMs = Date.UTC(2026, 0, 1)

export function newTime(t: TestContext): { clock: HandClock; wheel: Wheel } {
  const clock = new HandClock(startMs)
  const wheel = new Wheel(clock)
  t.after(() => wheel.stop())
  return { clock, wheel }
}

/** Rules as far as the tests here go; how they are read is tried where they are read. */
export function readRules(value: unknown): Rule[] | string {
  if (!Array.isArray(value)) return 'rules are a list'
  const isRule = (rule: Partial<Rule>) => (rule.effect === 'allow' || rule.effect === 'deny') && Array.isArray(rule.actions)
  return value.every(isRule) ? (value as Rule[]) : 'a rule has an effect, actions and a filter'
}
