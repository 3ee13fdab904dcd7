// What a setting can be: how its text is read, and what to say when it cannot be.
import { isIP, isIPv4 } from 'node:net'

export interface Kind<T> {
  /** What to write after the flag; empty for a flag that stands alone. */
  readonly placeholder: string
  /** Throws an Error whose message completes "--flag takes …". */
  read(text: string): T
}

export const port: Kind<number> = {
  placeholder: 'PORT',
  read(text) {
    if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text)
    throw new Error('a port from 0 (pick a free one) to 65535')
  },
}

export const portOrOff: Kind<number | 'off'> = {
  placeholder: 'PORT|off',
  read(text) {
    if (text === 'off') return 'off'
    try {
      return port.read(text)
    } catch (error) {
      throw new Error(`${(error as Error).message}, or off`)
    }
  },
}

export const portOffOrAuto: Kind<number | 'off' | 'auto'> = {
  placeholder: 'PORT|off|auto',
  read(text) {
    if (text === 'auto') return 'auto'
    try {
      return portOrOff.read(text)
    } catch (error) {
      throw new Error(`${(error as Error).message}, or auto`)
    }
  },
}

export const address: Kind<string> = {
  placeholder: 'ADDRESS',
  read(text) {
    if (text === 'localhost') return '127.0.0.1'
    if (isIP(text) !== 0) return text
    throw new Error('an IP address, such as 127.0.0.1 (this machine only) or 0.0.0.0 (every interface)')
  },
}

export const path: Kind<string> = {
  placeholder: 'PATH',
  read(text) {
    if (text !== '' && !text.includes('\0')) return text
    throw new Error('a path')
  },
}

export const pathOrNone: Kind<string> = {
  placeholder: 'PATH',
  read: (text) => (text === '' ? '' : path.read(text)),
}

export function secondsUpTo(max: number, zero: string): Kind<number> {
  return {
    placeholder: 'SECONDS',
    read(text) {
      if (/^\d{1,5}$/.test(text) && Number(text) <= max) return Number(text)
      throw new Error(`whole seconds from 1 to ${max}, or 0 for ${zero}`)
    },
  }
}

export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  return {
    placeholder: words.join('|'),
    read(text) {
      const word = words.find((candidate) => candidate === text)
      if (word !== undefined) return word
      throw new Error(`one of ${words.join(', ')}`)
    },
  }
}

export const anonymous: Kind<'loopback' | 'everyone' | 'nobody'> = {
  placeholder: '',
  read(text) {
    if (text === '' || text === 'true' || text === 'everyone') return 'everyone'
    if (text === 'false' || text === 'nobody') return 'nobody'
    if (text === 'loopback') return 'loopback'
    throw new Error('everyone (or nothing), loopback or nobody')
  },
}

export const origins: Kind<readonly string[]> = {
  placeholder: 'ORIGIN,…',
  read(text) {
    return text
      .split(',')
      .filter((origin) => origin !== '')
      .map((origin) => {
        if (URL.canParse(origin) && new URL(origin).origin === origin) return origin
        throw new Error('origins such as https://tools.example, parted by commas')
      })
  },
}

export const networks: Kind<readonly string[]> = {
  placeholder: 'NETWORK,…',
  read(text) {
    return text
      .split(',')
      .map((network) => network.trim())
      .filter((network) => network !== '')
      .map((network) => {
        const [address = '', prefix, more] = network.split('/')
        const bitsMax = isIPv4(address) ? 32 : 128
        const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bitsMax)
        if (isIP(address) !== 0 && isPrefix && more === undefined) return network
        throw new Error('addresses and networks such as 10.0.0.7,192.168.0.0/16,fd00::/8, parted by commas')
      })
  },
}

const sizeUnits: Readonly<Record<string, number>> = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Bytes. */
export function sizeFrom(least: string): Kind<number> {
  const bytesOf = (text: string) => {
    const [, count, unit] = /^(\d{1,6})([MGT])$/.exec(text) ?? []
    return count === undefined || unit === undefined ? Number.NaN : Number(count) * sizeUnits[unit]!
  }
  return {
    placeholder: 'SIZE',
    read(text) {
      const bytes = bytesOf(text)
      if (bytes >= bytesOf(least)) return bytes
      throw new Error(`a size such as 500M, 20G or 2T, at least ${least}`)
    },
  }
}

export function orOff<T>({ placeholder, read }: Kind<T>): Kind<T | undefined> {
  return {
    placeholder: `${placeholder}|off`,
    read(text) {
      if (text === 'off') return undefined
      try {
        return read(text)
      } catch (error) {
        throw new Error(`${(error as Error).message}, or off`)
      }
    },
  }
}

const ageUnits: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Ms. */
export const age: Kind<number> = {
  placeholder: 'AGE',
  read(text) {
    const [, count, unit] = /^([1-9]\d{0,4})([mhd])$/.exec(text) ?? []
    if (count !== undefined && unit !== undefined) return Number(count) * ageUnits[unit]!
    throw new Error('a time such as 30m, 24h or 7d')
  },
}

/** Empty for none. */
export const urlOrNone: Kind<string> = {
  placeholder: 'URL',
  read(text) {
    if (text === '' || URL.canParse(text)) return text
    throw new Error('a URL, such as https://login.example/keys')
  },
}

/** How many a second. */
export const perSecond = countPer('second')
export const perMinute = countPer('minute')

function countPer(unit: string): Kind<number> {
  return {
    placeholder: 'COUNT',
    read(given) {
      if (/^[1-9]\d{0,8}$/.test(given)) return Number(given)
      throw new Error(`how many a ${unit}, from 1`)
    },
  }
}

export const text: Kind<string> = {
  placeholder: 'TEXT',
  read: (given) => given,
}

/** Any of these, with commas between them. */
export function someOf<const T extends string>(...words: readonly T[]): Kind<readonly T[]> {
  const one = oneOf(...words)
  return { placeholder: `${words.join('|')},…`, read: (given) => names.read(given).map((name) => one.read(name)) }
}

/** Names with commas between them. */
export const names: Kind<readonly string[]> = {
  placeholder: 'NAME,…',
  read: (given) =>
    given
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
}

/** The same of paths. */
export const paths: Kind<readonly string[]> = { placeholder: 'PATH,…', read: (given) => names.read(given) }

export const yes: Kind<boolean> = {
  placeholder: '',
  read(text) {
    if (text === '' || text === 'true') return true
    if (text === 'false') return false
    throw new Error('nothing, true or false')
  },
}
