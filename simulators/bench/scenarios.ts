// What is measured. The words are those of the table the bench prints.
import type { LoadOptions } from './load.ts'
import { descriptorsMax } from './proc.ts'
import type { Server } from './servers.ts'

export interface Scenario {
  readonly says: string
  /** What one message of the table is. */
  readonly unit: 'message' | 'delivery' | 'connection'
  readonly overWebSocket?: boolean
  load(target: { readonly port: number; readonly pid: number }, isQuick: boolean): LoadOptions
}

/** Descriptors that a server needs beside its connections: files, pipes, threads. */
const descriptorsSpare = 300

export const scenarios = {
  'window-16': ingest('QoS 1, 1000 connections, 16 under way each', { qos: 1, window: 16 }),
  'window-1': ingest('QoS 1, 1000 connections, each waits for its PUBACK', { qos: 1, window: 1 }),
  'qos-0': ingest('QoS 0, 1000 connections', { qos: 0, window: 128 }),
  'open-loop': ingest('QoS 1, 1000 connections, 20,000 messages/s', { qos: 1, window: 64, rate: 20_000 }),
  idle: {
    says: 'connections that say nothing: 10,000, or as many as there are descriptors',
    unit: 'connection',
    load: (target, isQuick) => ({
      ...target,
      mode: 'idle',
      transport: 'tcp',
      connections: Math.min(isQuick ? 2000 : 10_000, descriptorsMax() - descriptorsSpare),
      holdSeconds: isQuick ? 2 : 5,
    }),
  },
  'fan-out': {
    says: 'QoS 0, 1 publisher to 1000 subscribers, 8 under way',
    unit: 'delivery',
    load: (target, isQuick) => ({ ...target, ...times(isQuick), mode: 'fan-out', transport: 'tcp', subscribers: 1000, window: 8 }),
  },
  'websocket-16': {
    ...ingest('QoS 1 over WebSocket, 1000 connections, 16 under way each', { qos: 1, window: 16 }, 'websocket'),
    overWebSocket: true,
  },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

export function isScenarioName(text: string): text is ScenarioName {
  return Object.hasOwn(scenarios, text)
}

/** Undefined: this server has no such port. */
export function loadFor(name: ScenarioName, server: Server, isQuick: boolean): LoadOptions | undefined {
  const scenario: Scenario = scenarios[name]
  const port = scenario.overWebSocket ? server.webSocketPort : server.mqttPort
  return port === undefined ? undefined : scenario.load({ port, pid: server.pid }, isQuick)
}

function ingest(
  says: string,
  shape: { readonly qos: 0 | 1; readonly window: number; readonly rate?: number },
  transport: 'tcp' | 'websocket' = 'tcp',
): Scenario {
  return {
    says,
    unit: 'message',
    load: (target, isQuick) => ({ ...target, ...shape, ...times(isQuick), mode: 'ingest', transport, connections: 1000 }),
  }
}

function times(isQuick: boolean): { warmUpSeconds: number; seconds: number } {
  return isQuick ? { warmUpSeconds: 0.7, seconds: 1 } : { warmUpSeconds: 1.5, seconds: 2.5 }
}
