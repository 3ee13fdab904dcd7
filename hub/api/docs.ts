// /v1/openapi.json, and the same for people: /docs and /docs/errors, made from the route schemas and the refusal table. No script, no style from elsewhere.
import type { FastifyInstance } from 'fastify'
import { refusals } from '../errors.ts'

interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly parameters?: readonly { name: string; in: string; required?: boolean; description?: string }[]
  readonly responses?: Readonly<Record<string, unknown>>
}

export function docsRoutes(app: FastifyInstance): void {
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => app.swagger())

  app.get('/docs', { schema: { hide: true } }, (_, reply) => {
    const { paths = {} } = app.swagger() as { paths?: Record<string, Record<string, Operation>> }
    const sections = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => operationHtml(method, path, operation)),
    )
    reply.type('text/html; charset=utf-8')
    return pageHtml(
      'HTTP API',
      `<p>Every answer is JSON, or a stream of it. Times are Unix milliseconds. Refusals are problem documents (RFC 9457), listed under
       <a href="/docs/errors">refusals</a>. The same for programs: <a href="/v1/openapi.json">/v1/openapi.json</a>.</p>
       <p>MQTT topics: <code>devices/{id}/telemetry</code> for readings, anything else for plain publish and subscribe.
       MQTT over WebSocket is at <code>/mqtt</code>, JSON over WebSocket (subprotocol <code>mooring.json</code>) at <code>/v1/session</code>,
       the live socket of the dashboard at <code>/live</code>. Cursors are places in the journal, the same on all of them.</p>${sections.join('')}`,
    )
  })

  app.get('/docs/errors', { schema: { hide: true } }, (_, reply) => {
    const rows = Object.entries(refusals).map(([code, { sentence, http, mqtt, ws, retry }]) => {
      const cells = [escaped(sentence), http, `0x${mqtt.toString(16).padStart(2, '0')}`, ws, retry ? 'yes' : 'no']
      return `<tr id="${code}"><th scope="row"><code>${code}</code></th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
    })
    const heads = ['Code', 'Sentence', 'HTTP', 'MQTT 5', 'WebSocket', 'Later'].map((head) => `<th>${head}</th>`).join('')
    reply.type('text/html; charset=utf-8')
    return pageHtml(
      'Refusals',
      `<p>Everything the hub can refuse, with its code on each protocol. “Later” says whether the same request may pass later.</p>
       <table><thead><tr>${heads}</tr></thead><tbody>${rows.join('')}</tbody></table>`,
    )
  })

  app.get('/docs/docs.css', { schema: { hide: true } }, (_, reply) => {
    reply.type('text/css; charset=utf-8')
    return css
  })
}

function operationHtml(method: string, path: string, { summary, description, parameters = [], responses = {} }: Operation): string {
  const rows = parameters.map(
    ({ name, in: place, required, description: says = '' }) =>
      `<tr><th scope="row"><code>${escaped(name)}</code></th><td>${place}${required ? ', required' : ''}</td><td>${escaped(says)}</td></tr>`,
  )
  return `<section><h2><code><b>${method.toUpperCase()}</b> ${escaped(path)}</code></h2><p><b>${escaped(summary ?? '')}.</b> ${escaped(description ?? '')}</p>
    ${rows.length > 0 ? `<table><tbody>${rows.join('')}</tbody></table>` : ''}<p>Answers: ${Object.keys(responses).join(', ')}</p></section>`
}

function pageHtml(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title} · Mooring</title>
    <link rel="stylesheet" href="/docs/docs.css"><main><p><a href="/">Mooring</a></p><h1>${title}</h1>${body}</main></html>`
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (mark) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[mark] as string)
}

const css = `:root { color-scheme: light dark }
body { margin: 0; font: 13px/1.45 system-ui; background: light-dark(#fff, #0f1216); color: light-dark(#1a1f26, #e7eaee) }
main { max-width: 960px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 28px; font-weight: 400 }
h2 { font-size: 15px; font-weight: 400; margin: 32px 0 8px; padding-top: 16px; border-top: 1px solid light-dark(#dfe3e8, #262c35) }
b { font-weight: 550 }
code { font-family: ui-monospace, monospace }
a { color: light-dark(#1f5fd1, #6ea8fe) }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; font-weight: 400; padding: 4px 16px 4px 0; border-bottom: 1px solid light-dark(#dfe3e8, #262c35) }
tr:target { background: light-dark(#f6f7f9, #161a20) }`
