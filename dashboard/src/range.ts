// Which stretch of time the charts show. It stands in the address: `?range=24h` ends now and goes on live, `?from=…&to=…` stands still.

export const rangesMs = {
  '5m': 5 * 60_000,
  '1h': 3_600_000,
  '24h': 24 * 3_600_000,
  '7d': 7 * 24 * 3_600_000,
  '30d': 30 * 24 * 3_600_000,
  '1y': 365 * 24 * 3_600_000,
} as const

export type RangeName = keyof typeof rangesMs
export const rangeNames = Object.keys(rangesMs) as RangeName[]

export type View =
  /** Ends now: live values join at its right edge. */
  { readonly is: 'live'; readonly name: RangeName } | { readonly is: 'still'; readonly fromMs: number; readonly toMs: number }

export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

const standard: RangeName = '5m'
const spanMinMs = 1_000
/** Beyond these a Date is no date, and no hub has points. */
const timeMinMs = 0
const timeMaxMs = 8.64e15

export function viewOf(query: URLSearchParams): View {
  const [one, other] = [timeOf(query.get('from')), timeOf(query.get('to'))]
  if (one !== undefined && other !== undefined) return still(one, other)
  return { is: 'live', name: rangeNames.find((name) => name === query.get('range')) ?? standard }
}

/** The parameters of the address that stand for a view; an empty one is left out. */
export function queryOf(view: View): { range: string; from: string; to: string } {
  if (view.is === 'live') return { range: view.name === standard ? '' : view.name, from: '', to: '' }
  return { range: '', from: String(view.fromMs), to: String(view.toMs) }
}

export function spanOf(view: View, nowMs: number): Span {
  return view.is === 'still' ? view : { fromMs: nowMs - rangesMs[view.name], toMs: nowMs }
}

/** In either order, at least a second long. */
export function still(oneMs: number, otherMs: number): View {
  const fromMs = Math.round(Math.min(oneMs, otherMs))
  return { is: 'still', fromMs, toMs: Math.max(Math.round(Math.max(oneMs, otherMs)), fromMs + spanMinMs) }
}

/** Half a picture earlier (-1) or later (1). Whoever comes to now again goes on live. */
export function shifted(view: View, direction: -1 | 1, nowMs: number): View {
  if (view.is === 'live' && direction === 1) return view
  const { fromMs, toMs } = spanOf(view, nowMs)
  const byMs = (direction * (toMs - fromMs)) / 2
  return notBeyond(fromMs + byMs, toMs + byMs, nowMs)
}

/** The next longer range, or twice as much time around the same middle. */
export function wider(view: View, nowMs: number): View {
  if (view.is === 'live') return { is: 'live', name: rangeNames[rangeNames.indexOf(view.name) + 1] ?? view.name }
  const { fromMs, toMs } = view
  const halfMs = (toMs - fromMs) / 2
  return notBeyond(fromMs - halfMs, toMs + halfMs, nowMs)
}

/** The half in the middle. */
export function narrower(view: View, nowMs: number): View {
  const { fromMs, toMs } = spanOf(view, nowMs)
  const quarterMs = (toMs - fromMs) / 4
  return still(fromMs + quarterMs, toMs - quarterMs)
}

function notBeyond(fromMs: number, toMs: number, nowMs: number): View {
  const spanMs = toMs - fromMs
  // Time went on while somebody looked at what was before: what reaches nearly to now is meant to reach it.
  if (toMs < nowMs - spanMs / 50) return still(fromMs, toMs)
  const name = rangeNames.find((one) => Math.abs(rangesMs[one] - spanMs) < spanMs / 100)
  return name === undefined ? still(nowMs - spanMs, nowMs) : { is: 'live', name }
}

/** Unix ms, or what a person may have written into the address. */
function timeOf(text: string | null): number | undefined {
  if (text === null || text === '') return undefined
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  return ms >= timeMinMs && ms <= timeMaxMs ? ms : undefined
}
