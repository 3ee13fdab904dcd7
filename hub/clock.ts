// Time, behind an interface so that tests can turn it by hand.

export interface Clock {
  /** Wall clock, Unix ms: for stamps, certificates and tokens only. It may jump. */
  now(): number
  /** Ms since some fixed moment: for keep-alive, timeouts and expiry. It never jumps. */
  monotonic(): number
  /** Calls `tick` again and again until the returned function is called. Does not keep the process alive. */
  every(ms: number, tick: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
}
