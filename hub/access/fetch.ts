// A request to somebody outside, with an end in time and in bytes.

export interface FetchBounds {
  readonly timeoutMs: number
  readonly bytesMax: number
}

/** Whether secrets and keys may go there: over TLS, or to this machine. */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname))
}

/** What came, whole. Errors: for whatever did not come in time, was too long, or was sent elsewhere by a redirect. */
export async function fetchText(
  url: string,
  request: RequestInit,
  { timeoutMs, bytesMax }: FetchBounds,
): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { ...request, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
  const chunks: Uint8Array[] = []
  let byteCount = 0
  for await (const chunk of response.body ?? []) {
    byteCount += chunk.length
    if (byteCount > bytesMax) throw new Error(`the answer is larger than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return { status: response.status, text: Buffer.concat(chunks).toString() }
}
