import assert from 'node:assert/strict'
import { test } from 'node:test'
import { devicePath, routeOf } from '../../dashboard/src/router.ts'

const routes = [
  ['/', { page: 'overview' }],
  ['/devices', { page: 'devices' }],
  ['/devices/', { page: 'devices' }],
  ['/devices/pump-7', { page: 'device', deviceId: 'pump-7' }],
  ['/devices/a%3Ab%40c', { page: 'device', deviceId: 'a:b@c' }],
  ['/devices/%', { page: 'nothing', path: '/devices/%' }],
  ['/devices/pump-7/twin', { page: 'nothing', path: '/devices/pump-7/twin' }],
  ['/hub', { page: 'hub' }],
  ['/settings', { page: 'settings' }],
  ['/hub/limits', { page: 'nothing', path: '/hub/limits' }],
  ['/docs', { page: 'nothing', path: '/docs' }],
] as const

for (const [path, route] of routes) {
  test(`${path} is the page ${route.page}`, () => {
    assert.deepEqual(routeOf(path), route)
  })
}

test('the address of a device leads back to it, whatever its id', () => {
  for (const deviceId of ['pump-7', 'urn:dev:ow:10e2', 'a@b.c', '...']) {
    assert.deepEqual(routeOf(devicePath(deviceId)), { page: 'device', deviceId })
  }
})
