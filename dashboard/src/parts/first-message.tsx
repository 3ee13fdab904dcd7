// Shown while the hub knows no device: lines one can paste, with the real host and ports.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { type Hub, loadHub } from '../api.ts'
import { may, viewer } from '../me.ts'
import { words } from '../words.ts'
import { CopyButton } from './copy.tsx'

/** Addresses that mean "every interface": the name this page was reached by is one of them. */
const everywhere = new Set(['0.0.0.0', '::', '::0', ''])

export function FirstMessage() {
  const listeners = useSignal<Hub['listeners'] | null>(null)
  useEffect(() => {
    const abort = new AbortController()
    loadHub(abort.signal).then(
      (hub) => {
        listeners.value = hub.listeners
      },
      () => {}, // the HTTP line needs nothing from the hub, and the live view says that it is gone
    )
    return () => abort.abort()
  }, [])

  const heard = listeners.value
  const { value } = viewer
  const isLoggedIn = value.is === 'in' && value.me?.is === 'user'
  return (
    <section class="first">
      <h2>{words.first.heading}</h2>
      <p>{words.first.lead}</p>
      {isLoggedIn ? may('admin') ? <Line name={words.first.credential} text={credentialLine} /> : <p>{words.first.askAdmin}</p> : null}
      {heard === null ? null : heard.mqtt === null ? (
        <p>{words.first.noMqtt}</p>
      ) : (
        <Line name={words.first.mqtt} text={mqttLine(heard.mqtt.address, heard.mqtt.port, location.hostname, isLoggedIn)} />
      )}
      <Line name={words.first.http} text={httpLine(location.origin, isLoggedIn)} />
    </section>
  )
}

/** Where the page asks for a login, the hub asks devices for a credential. */
const credentialLine = 'npx mooring credentials create boiler-1'

function mqttLine(address: string, port: number, pageHost: string, withToken: boolean): string {
  const host = (everywhere.has(address) ? pageHost : address).replace(/^\[(.*)\]$/, '$1')
  const token = withToken ? ' -u boiler-1 -P TOKEN' : ''
  return `mosquitto_pub -h ${host} -p ${port}${token} -t devices/boiler-1/telemetry -q 1 -m '{"temperature":61.2}'`
}

function httpLine(origin: string, withToken: boolean): string {
  const token = withToken ? ` -H 'authorization: Bearer TOKEN'` : ''
  return `curl${token} -d '{"temperature":61.3}' ${origin}/v1/devices/boiler-1/telemetry`
}

function Line({ name, text }: { name: string; text: string }) {
  return (
    <div class="paste">
      <h3>{name}</h3>
      <pre>
        <code>{text}</code>
      </pre>
      <CopyButton text={text} what={name} />
    </div>
  )
}
