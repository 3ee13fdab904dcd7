// Those who know whom the hub does not: an issuer of tokens, a service that is asked about user names.
import type { Clock } from '../clock.ts'
import type { Foreigners, Presented } from './authenticator.ts'
import { Callback, type CallbackOptions } from './callback.ts'
import { type JwtIssuer, Jwts } from './jwt.ts'

export interface ForeignersParts {
  readonly jwt: JwtIssuer | undefined
  readonly callback: CallbackOptions | undefined
  readonly clock: Clock
  /** Something could not be written or asked; what it was about goes on. */
  onFailure(error: unknown): void
}

/** Errors: for an issuer or a service that cannot be used safely. */
export function foreignersOf({ jwt, callback, clock, onFailure }: ForeignersParts): Foreigners {
  const asked = callback === undefined ? undefined : new Callback(callback, clock, onFailure)
  return {
    ...(jwt === undefined ? {} : { ofToken: new Jwts(jwt, clock, onFailure) }),
    ...(asked === undefined ? {} : { ofPassword: (presented: Presented) => asked.prove(presented) }),
  }
}
