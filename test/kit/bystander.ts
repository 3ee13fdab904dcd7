// Someone who does no harm beside someone who does: what the offence costs the hub, and what it costs others.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { MiB } from '../../hub/limits.ts'
import type { HubProcess } from './hub.ts'
import { moor } from './mqtt.ts'

/** What the process holds in memory. */
export function residentBytes({ pid }: HubProcess): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}

/** An answer may take so long on a machine that runs other tests, too; who is held up by an offender waits for longer. */
const answerMsMax = 2500

/**
 * While `offence` lasts, a device publishes and reads its acknowledgements, and a page asks for the health: each is answered in time, and
 * the hub grows by less than `growthMax` bytes.
 */
export async function besideAnOffence(
  t: TestContext,
  hub: HubProcess,
  name: string,
  growthMax: number,
  offence: () => Promise<unknown>,
): Promise<void> {
  const bystander = await moor(t, hub, `bystander of ${name}`, 5)
  const before = residentBytes(hub)
  let peak = before
  let slowestMs = 0
  let isOver = false
  const offended = offence().finally(() => {
    isOver = true
  })
  const beside = async () => {
    for (let at = 1; at === 1 || !isOver; at++) {
      const askedMs = performance.now()
      await bystander.publish('bystander', `${at}`, { qos: 1 })
      if (at % 16 === 0) assert.equal((await fetch(`${hub.url}/healthz`)).status, 200)
      slowestMs = Math.max(slowestMs, performance.now() - askedMs)
      peak = Math.max(peak, residentBytes(hub))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  await Promise.all([offended, beside()])
  t.diagnostic(`${name}: grew by ${Math.round((peak - before) / MiB)} MiB, slowest answer ${Math.round(slowestMs)} ms`)
  assert.ok(peak - before < growthMax, `${name}: grew by ${Math.round((peak - before) / MiB)} MiB`)
  assert.ok(slowestMs < answerMsMax, `${name}: a bystander waited for ${Math.round(slowestMs)} ms`)
  assert.equal(hub.child.exitCode, null)
  await bystander.leave()
}
