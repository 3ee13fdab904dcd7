// The process: settings, start, signals, exit code.
//
// Exit codes: 0 stopped as asked, 1 could not start, 2 a setting is wrong, 74 the disk failed (EX_IOERR: let a supervisor start it again).
import { createInterface } from 'node:readline'
import type { Logger } from 'pino'
import { type Configuration, checkText, helpText, readConfiguration, SettingError } from './config.ts'
import { handlerToBlame } from './extend/handlers.ts'
import { loadExtensions } from './extend/loading.ts'
import type { Hub } from './hub.ts'
import { createHub, openLog } from './library.ts'
import { verifierLine } from './mqtt/scram.ts'
import { readyJson, readyPage } from './ready.ts'
import { version } from './version.ts'

const nodeMajorMin = 24

async function main(): Promise<void> {
  // Node 22.18 to 23 can read this file, but nothing here was tried on them; older ones cannot, and end with a message of their own.
  if (Number(process.versions.node.split('.')[0]) < nodeMajorMin) {
    console.error(
      `mooring: this is Node ${process.versions.node}, and the hub needs ${nodeMajorMin} or newer; start it with npm start, which brings one.`,
    )
    process.exitCode = 1
    return
  }
  let configuration: Configuration
  try {
    configuration = readConfiguration(process.argv.slice(2), process.env)
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    console.error(`mooring: ${error.message}`)
    process.exitCode = 2
    return
  }
  const { command, warnings } = configuration
  if (command === 'help') console.log(helpText())
  else if (command === 'check') {
    for (const warning of warnings) console.error(`mooring: ${warning}`)
    console.log(checkText(configuration))
  } else if (command === 'version') console.log(version)
  else if (command === 'scram-user') await printUser(configuration.scramUser)
  else await run(configuration)
}

/** The password comes on stdin, where neither the list of processes nor the history of a shell shows it. */
async function printUser(name: string): Promise<void> {
  if (process.stdin.isTTY) console.error('mooring: type the password and press Enter; it is shown.')
  try {
    for await (const password of createInterface({ input: process.stdin })) {
      console.log(verifierLine(name, password))
      return
    }
    throw new Error('--scram-user needs the password as one line on stdin.')
  } catch (error) {
    console.error(`mooring: ${(error as Error).message}`)
    process.exitCode = 2
  }
}

async function run({ settings, warnings }: Configuration): Promise<void> {
  const startedMs = performance.now()
  const log = openLog(settings)
  for (const warning of warnings) log.warn(warning)
  if (settings.extensions.length > 0) process.on('uncaughtException', (error) => onUncaught(error, log))
  let hub: Hub
  try {
    const library = new URL('./library.ts', import.meta.url)
    hub = await createHub({ settings, log })
      .use(...(await loadExtensions(settings.extensions, library)))
      .start()
  } catch (error) {
    console.error(`mooring: ${(error as Error).message}`)
    log.debug({ err: error }, 'could not start')
    process.exitCode = 1
    return
  }
  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(130) // asked twice: leave now, the journal is safe at any moment
    stopping = true
    log.info(`${signal}: stopping`)
    hub.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'could not stop cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // Last: whoever has read this may send a signal.
  console.log(settings.readyJson ? readyJson(hub) : readyPage(hub, settings, performance.now() - startedMs))
}

/** A promise that nobody waits for, or a timer: where an extension has made it, the hub goes on. What the hub itself does wrong ends it. */
function onUncaught(error: Error, log: Logger): void {
  const handler = handlerToBlame()
  if (handler === undefined) {
    console.error(error)
    process.exit(1)
  }
  const { extension, what } = handler
  handler.failures++
  log.error({ err: error, extension, handler: what }, 'an extension threw where nobody could catch it')
}

await main()
