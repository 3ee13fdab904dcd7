// mooring admin reset: a link by which the first admin is made, or one who has forgotten the password gets another.
import { CommandError, define, exitCodes, type Group, say } from './command.ts'
import { askJson, hubOptions } from './connection.ts'
import { print } from './print.ts'

const reset = define({
  summary: 'make a link that makes an admin',
  operands: [],
  about: [
    'Who opens the link within a day, once, names an admin and gives a password: of a new user, or of one who has forgotten it.',
    'The link printed before does not work any more. It is made for who is on the machine of the hub, where the hub asks for no',
    'credentials; where it does (--allow-anonymous=nobody), start it once without that.',
  ].join('\n'),
  options: hubOptions,
  ends: '1 it could not be made, ',
  async run(values, _, terminal) {
    const { path } = await askJson<{ readonly path?: unknown }>(values, { method: 'POST', path: '/v1/setup-link', signal: terminal.signal })
    if (typeof path !== 'string') throw new CommandError('the answer is not that of a hub')
    await print(terminal, `${values.url.replace(/\/$/, '')}${path}\n`)
    say(terminal, 'open it within a day; it works once.')
    return exitCodes.done
  },
})

export const adminGroup: Group = { summary: 'who administers the hub', commands: { reset } }
