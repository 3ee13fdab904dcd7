// Frames cut by hand: WebSocket's (RFC 6455 section 5.2) and those of HTTP/2 (RFC 9113 section 4.1), legal or not.

/** A client's frame, masked with zeros. */
export function webSocketFrame(opcode: number, payload: Buffer, final = true): Buffer {
  const short = payload.length < 126
  const head = Buffer.alloc(short ? 6 : 8)
  head[0] = (final ? 0x80 : 0) | opcode
  head[1] = 0x80 | (short ? payload.length : 126)
  if (!short) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

/** The whole frames in what a server sent, each with its opcode; what is torn at the end is left out. */
export function webSocketFrames(bytes: Buffer): { opcode: number; payload: Buffer }[] {
  const frames: { opcode: number; payload: Buffer }[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const length = (bytes[at + 1] as number) & 0x7f
    const isLong = length === 126
    if (length === 127 || (isLong && at + 4 > bytes.length)) break
    const start = at + (isLong ? 4 : 2)
    const end = start + (isLong ? bytes.readUInt16BE(at + 2) : length)
    if (end > bytes.length) break
    frames.push({ opcode: (bytes[at] as number) & 0x0f, payload: bytes.subarray(start, end) })
    at = end
  }
  return frames
}

export const http2Preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const http2Type = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goAway: 7, continuation: 9 } as const
export const http2Flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4 } as const

export function http2Frame(type: keyof typeof http2Type, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = http2Type[type]
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** GET /healthz of `localhost`, in HPACK (RFC 7541): indexed fields where there are any, the rest written out. */
export const getHealth = Buffer.concat([Buffer.from([0x82, 0x86]), literal(4, '/healthz'), literal(1, 'localhost')])

/** A field whose name stands in the table at `name`, its value written out. */
function literal(name: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([name, value.length]), Buffer.from(value)])
}
