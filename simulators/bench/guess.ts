// Somebody who guesses passwords: a connection for each, so many a second, from addresses that a proxy says.
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectPacket } from './opening.ts'

export interface GuessOptions {
  readonly mode: 'guess'
  readonly port: number
  readonly perSecond: number
  readonly addresses: number
  readonly seconds: number
  /** The names of those whose passwords are guessed begin with `bench-` and end with a number below this. */
  readonly devices: number
}

export interface Guessed {
  readonly clean: true
  readonly refused: number
}

/** Fewer than a system holds for a server to accept: past it what is measured is that clients try again a second later. */
const atATime = 400

export async function guess({ port, perSecond, addresses, seconds, devices }: GuessOptions): Promise<Guessed> {
  let [sent, open, refused] = [0, 0, 0]
  const beganAtMs = performance.now()
  const until = beganAtMs + seconds * 1000
  while (performance.now() < until) {
    const due = ((performance.now() - beganAtMs) / 1000) * perSecond
    for (; sent < due && open < atATime; sent++) {
      open++
      comeWrongly(port, { device: sent % devices, from: sent % addresses, password: `guess-${sent}` }, () => {
        open--
        refused++
      })
    }
    await sleep(2)
  }
  return { clean: true, refused }
}

interface Guess {
  readonly device: number
  /** The number of its address, of which there are some 16 million. Over TCP all of them are this machine, in the words of a proxy none is. */
  readonly from: number
  readonly password: string
}

function comeWrongly(port: number, { device, from, password }: Guess, onGone: () => void): void {
  const address = `10.${(from >> 16) & 0xff}.${(from >> 8) & 0xff}.${from & 0xff}`
  const name = `bench-${device}`
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => {}).resume()
  socket.once('close', onGone)
  const header = Buffer.from(`PROXY TCP4 ${address} 127.0.0.1 40000 ${port}\r\n`)
  socket.write(Buffer.concat([header, connectPacket(name, { username: name, password })]))
}
