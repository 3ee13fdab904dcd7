import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fleet } from '../../simulators/fleet.ts'
import { type ProfileName, profiles } from '../../simulators/profiles/profiles.ts'
import { startHub } from '../kit/hub.ts'

test('20 devices of each profile: every reading is acknowledged, and the hub knows every device', async (t) => {
  const hub = await startHub(t)
  const squads = (Object.keys(profiles) as ProfileName[]).map((profile) => ({ count: 20, profile }))
  const fleet = new Fleet({
    squads,
    hub: { mqtt: new URL(`mqtt://127.0.0.1:${hub.mqttPort}`), http: new URL(hub.url) },
    everySeconds: 0.5,
  })
  const started = fleet.start()
  await sleep(2000)
  const report = await fleet.stop()
  await started

  assert.equal(fleet.size, squads.length * 20)
  assert.ok(report.sent >= fleet.size * 2, `${report.sent} readings\n${report}`)
  assert.equal(report.acknowledged, report.sent, String(report))
  assert.equal(report.refused + report.lost, 0)
  assert.equal(report.online, 0)
  const { total } = (await hub.get('/v1/devices')) as { total: number }
  assert.equal(total, fleet.size)
})
