// The cookie that a browser carries its login in.  RFC 6265 and its successor, draft-ietf-httpbis-rfc6265bis
import { limits } from '../../limits.ts'

const plainName = 'mooring'
/** Browsers take a cookie with this prefix over TLS alone, for this host alone: nobody who can write on a line in the clear can set it. */
const secureName = `__Host-${plainName}`

/**
 * What a request's Cookie field presents; undefined where it presents nothing. Over TLS only the cookie that was set over TLS counts. In the clear
 * both do: a proxy may have ended TLS before the hub.
 */
export function cookieIn(field: string | undefined, isTls: boolean): string | undefined {
  if (field === undefined) return undefined
  return valueIn(field, secureName) ?? (isTls ? undefined : valueIn(field, plainName))
}

/** @param isSecure the browser came over TLS, whoever ended it */
export function cookieFor(value: string, isSecure: boolean): string {
  return cookie(value, limits.loginSeconds, isSecure)
}

/** As those that the hub makes: 256 bits in base64url. */
export function isCookie(value: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(value)
}

/** Takes it away again. */
export function noCookie(isSecure: boolean): string {
  return cookie('', 0, isSecure)
}

function cookie(value: string, seconds: number, isSecure: boolean): string {
  const parts = [`${isSecure ? secureName : plainName}=${value}`, 'Path=/', `Max-Age=${seconds}`, 'HttpOnly', 'SameSite=Strict']
  return [...parts, ...(isSecure ? ['Secure'] : [])].join('; ')
}

/** The first of this name, as browsers send the most specific one first. */
function valueIn(field: string, name: string): string | undefined {
  for (const pair of field.split(';')) {
    const equals = pair.indexOf('=')
    if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim()
  }
  return undefined
}
