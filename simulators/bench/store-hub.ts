// The hub as a rival: a process of its own, spoken to over HTTP like anyone else.
import { Agent, request as httpRequest } from 'node:http'
import { type HubProcess, startHubProcess } from '../hub-process.ts'
import { readCpu } from './proc.ts'
import { pinnedTo } from './servers.ts'
import type { Dataset } from './store-data.ts'
import { answerOf, questionRequest, type Request, readingsRequest, sizeOf, storeRequest, whyNotStored } from './store-hub-api.ts'
import type { Answers, Question } from './store-questions.ts'
import type { Rival, Size } from './store-rival.ts'

/** Requests under way while writing: the hub should never wait for this process. */
const writersMax = 4
/** Sealing ends when all is in chunks; nothing else takes as long. */
const answerWithinMs = 60_000

export async function startHubRival(folder: string): Promise<Rival> {
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const hub = await startHubProcess([...ports, '--data', folder, '--log-level', 'warn'], { wrapper: pinnedTo(0) })
  const rival = new HubRival(hub)
  await rival.findVersion()
  return rival
}

class HubRival implements Rival {
  readonly #hub: HubProcess
  readonly #agent = new Agent({ keepAlive: true, maxSockets: writersMax })
  version = 'Mooring'

  constructor(hub: HubProcess) {
    this.#hub = hub
  }

  async findVersion(): Promise<void> {
    const { version } = JSON.parse(await this.#answer({ path: '/v1/hub' })) as { version: string }
    this.version = `Mooring ${version}`
  }

  readCpu() {
    return readCpu(this.#hub.pid)
  }

  /** A device sends one request after the other; devices do not wait for each other. */
  async write(dataset: Dataset): Promise<void> {
    const underWay = new Map<number, Promise<void>>()
    const failures: unknown[] = []
    for (const slice of dataset.slices()) {
      await underWay.get(slice.device)
      if (underWay.size >= writersMax) await Promise.race(underWay.values())
      if (failures.length > 0) break
      const sent = this.#send(readingsRequest(dataset, slice))
        .catch((error: unknown) => void failures.push(error))
        .finally(() => underWay.delete(slice.device))
      underWay.set(slice.device, sent)
    }
    await Promise.all(underWay.values())
    if (failures.length > 0) throw failures[0]
  }

  async finish(): Promise<void> {
    await this.#answer(storeRequest)
  }

  async size(): Promise<Size> {
    return sizeOf(await this.#answer(storeRequest))
  }

  async ask<Q extends Question>(question: Q, dataset: Dataset): Promise<Answers[Q['is']]> {
    const pages: Answers[Question['is']][] = []
    let next: string | undefined
    do {
      const page = answerOf(question, dataset, await this.#answer(questionRequest(question, dataset, next)))
      pages.push(page.answer)
      next = page.next
    } while (next !== undefined)
    return joined(question.is, pages) as Answers[Q['is']]
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    await this.#hub.stop()
  }

  async #send(request: Request): Promise<void> {
    const { status, body } = await this.#exchange(request)
    const why = whyNotStored(request, status, body)
    if (why !== undefined) throw new Error(why)
  }

  async #answer(request: Request): Promise<string> {
    const { status, body } = await this.#exchange(request)
    if (status !== 200) throw new Error(`The hub answered ${status} to ${request.path}: ${body.slice(0, 300)}`)
    return body
  }

  #exchange({ path, body }: Request): Promise<{ status: number; body: string }> {
    const headers = body === undefined ? {} : { 'content-type': 'application/x-ndjson', 'content-length': Buffer.byteLength(body) }
    const options = { port: this.#hub.http, path, method: body === undefined ? 'GET' : 'POST', headers, agent: this.#agent }
    return new Promise((resolve, reject) => {
      const sent = httpRequest({ ...options, host: '127.0.0.1', signal: AbortSignal.timeout(answerWithinMs) }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
      })
      sent.once('error', reject)
      sent.end(body)
    })
  }
}

/** Only lists of points and of devices have pages. */
function joined(is: Question['is'], pages: readonly Answers[Question['is']][]): Answers[Question['is']] {
  if (pages.length === 1) return pages[0]!
  if (is === 'latest') return new Map((pages as Answers['latest'][]).flatMap((page) => [...page]))
  const points = pages as Answers['hour'][]
  return { times: points.flatMap(({ times }) => times), values: points.flatMap(({ values }) => values) }
}
