// The README's section "By curl": its blocks are run as they are printed, each in a shell of its own, and what comes back is what the README says.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as after } from 'node:timers/promises'
import { atEnd } from './kit/at-end.ts'
import { newFolder, startHub } from './kit/hub.ts'
import { root } from './kit/sources.ts'

interface Block {
  readonly script: string
  /** The lines behind `#`, which are the output. */
  readonly output: readonly string[]
  /** Those of them that come before it waits. */
  readonly before: readonly string[]
  /** It waits for what a later block does, or for ever. */
  readonly isHeld: boolean
}

interface Shell {
  readonly block: Block
  printed(): string
  /** Resolves once what was printed fits, or the shell ended, or after `waitMs`. */
  until(fits: RegExp): Promise<void>
  /** Its exit code; undefined after `waitMs`. */
  end(): Promise<number | null | undefined>
}

const waitMs = 15_000

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/(?:^ {4}.+\n)+/gm)].map(([indented]) => {
    const lines = indented.split('\n').map((line) => line.slice(4))
    const script = lines.join('\n')
    const output = lines.filter((line) => line.startsWith('# ')).map((line) => line.slice(2))
    const holding = lines.findIndex((line) => /\/v1\/messages\?|wait=30/.test(line))
    const before = lines
      .slice(0, Math.max(0, holding))
      .filter((line) => line.startsWith('# '))
      .map((line) => line.slice(2))
    return { script, output, before, isHeld: holding !== -1 }
  })
}

/** `…` is anything in a line, and any lines when it stands alone. Empty lines do not count: answers of HTTP have no line feed at their end. */
function expressionOf({ output, isHeld }: Pick<Block, 'output' | 'isHeld'>): RegExp {
  const lines = output.map((line) => (line === '…' ? '[^]*?' : line.split('…').map(escaped).join('[^\\n]*?')))
  return new RegExp(`^${lines.join('\\n*')}${isHeld ? '' : '\\n*$'}`)
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function run(t: TestContext, block: Block, script: string, folder: string): Shell {
  const child = spawn('sh', ['-c', script], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  let text = ''
  let told: () => void = () => {}
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    told()
  })
  child.stderr.resume()
  atEnd(t, async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGKILL') // and all it runs
    await ended
  })
  const late = after(waitMs, undefined, { ref: false })
  return {
    block,
    printed: () => text,
    async until(fits) {
      let isOver = false
      void Promise.race([ended, late]).then(() => {
        isOver = true
        told()
      })
      while (!isOver && !fits.test(text)) await new Promise<void>((resolve) => (told = resolve))
    },
    end: () => Promise.race([ended, late]),
  }
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = blocksOf(readme.slice(readme.indexOf('\n## By curl\n'), readme.indexOf('\n## In and out\n')))

test('what the README says of a block is compared as it is meant', () => {
  const [block, held] = blocksOf('Text:\n\n    one\n    # a …c\n    # …\n    # (z)\n\n    curl x?wait=30\n    # a\n') as [Block, Block]
  const expression = expressionOf(block)
  for (const right of ['a bc\n(z)', 'a c(z)\n', 'a c\nx\ny\n\n(z)']) assert.match(right, expression)
  for (const wrong of ['a bc', 'a\nc\n(z)', 'x\na c(z)', 'a c(z)\nx', 'a cz']) assert.doesNotMatch(wrong, expression)
  assert.match('ab', expressionOf(held), 'more may come')
})

test('the blocks of the README work as they are printed', async (t) => {
  if (!isInstalled('curl')) {
    t.skip('curl is not installed: the blocks of the README were not run')
    return
  }
  const folder = newFolder(t)
  const { hub } = await startHub(t, { mqttsPort: 0, httpsPort: 0, data: join(folder, 'data') })
  const { mqtt, http, mqtts, https } = hub.listeners
  const ports = new Map<string, number | undefined>([
    ['1883', mqtt?.port],
    ['8080', http.port],
    ['8883', mqtts?.port],
    ['8443', https?.port],
  ])
  assert.ok(blocks.length > 8, 'the section was found')
  assert.deepEqual(
    [...ports.keys()].filter((port) => !blocks.some(({ script }) => script.includes(`:${port}/`) || script.includes(`-p ${port} `))),
    [],
  )

  const held: Shell[] = []
  for (const block of blocks) {
    if (block.script.includes('mosquitto_') && !isInstalled('mosquitto_sub')) {
      t.diagnostic('mosquitto_sub is not installed: its block was not run')
      continue
    }
    const script = block.script.replace(/\b(?:1883|8080|8883|8443)\b/g, (port) => String(ports.get(port)))
    const shell = run(t, block, script, folder)
    if (block.isHeld) {
      held.push(shell)
      // All that comes before what it waits for, or the beginning of that: it is being served.
      await shell.until(block.before.length === 0 ? /\S/ : expressionOf({ output: block.before, isHeld: true }))
      continue
    }
    assert.equal(await shell.end(), 0, `${script}\nprinted ${shell.printed()}`)
    assert.match(shell.printed(), expressionOf(block), script)
  }
  for (const shell of held) {
    const expression = expressionOf(shell.block)
    await shell.until(expression)
    assert.match(shell.printed(), expression, shell.block.script)
  }
})
