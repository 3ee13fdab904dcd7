// Every command of `mooring`: what help, completion and `main.ts` go by.
import { adminGroup } from './admin.ts'
import { auditCommand } from './audit.ts'
import { bansGroup } from './bans.ts'
import { caGroup } from './ca.ts'
import { claimsGroup } from './claims.ts'
import type { Outline } from './command.ts'
import { completionCommand } from './completion.ts'
import { conversationsGroup } from './conversations.ts'
import { credentialsGroup } from './credentials.ts'
import { commandCommand } from './device-command.ts'
import { commandsGroup } from './device-commands.ts'
import { typesGroup } from './device-types.ts'
import { devicesGroup } from './devices.ts'
import { eventsCommand } from './events.ts'
import { exportCommand } from './export.ts'
import { groupsGroup } from './groups.ts'
import type { Entry } from './help.ts'
import { importCommand } from './import.ts'
import { keysGroup } from './keys.ts'
import { pubCommand } from './pub.ts'
import { explainCommand, rolesGroup } from './roles.ts'
import { sqlCommand } from './sql.ts'
import { statusCommand } from './status.ts'
import { subCommand } from './sub.ts'
import { twinGroup } from './twin.ts'
import { uptimeCommand } from './uptime.ts'
import { usersGroup } from './users.ts'

const dataOption = {
  type: 'string',
  value: 'FOLDER',
  says: 'as for the hub, which takes it from MOORING_DATA and mooring.toml as well',
} as const
const jsonOption = { type: 'boolean', says: 'the report as one line of JSON on stdout' } as const
const ends = '1 it could not be done, 3 done, and something is damaged, '

/** Another program, which works on files; `hub/mooring.mjs` starts it by the same name. */
export const onFiles: Readonly<Record<string, Outline>> = {
  check: {
    summary: 'read everything that is stored, and name what is damaged',
    operands: [],
    about: 'Names the file, the series, the time. A hub may run meanwhile.',
    options: { data: dataOption, json: jsonOption },
    ends,
  },
  backup: {
    summary: 'copy everything that was acknowledged',
    operands: [],
    about: 'The copy is a data folder, read through before it has its name. A hub may run meanwhile.',
    options: {
      data: dataOption,
      to: { type: 'string', value: 'FOLDER', says: 'the copy; else below backups/ of the data folder' },
      json: jsonOption,
    },
    ends,
  },
  restore: {
    summary: 'make a data folder of a backup',
    operands: ['BACKUP'],
    about: 'The backup is read through first. The hub must be stopped.',
    options: {
      data: dataOption,
      force: { type: 'boolean', says: 'also where a database is; it is kept in a folder below' },
      json: jsonOption,
    },
    ends,
  },
}

/** One more is one file and one line here. */
export const commands: Readonly<Record<string, Entry>> = {
  status: statusCommand,
  devices: devicesGroup,
  twin: twinGroup,
  events: eventsCommand,
  types: typesGroup,
  groups: groupsGroup,
  command: commandCommand,
  commands: commandsGroup,
  conversations: conversationsGroup,
  credentials: credentialsGroup,
  ca: caGroup,
  claims: claimsGroup,
  keys: keysGroup,
  users: usersGroup,
  roles: rolesGroup,
  explain: explainCommand,
  bans: bansGroup,
  audit: auditCommand,
  admin: adminGroup,
  uptime: uptimeCommand,
  pub: pubCommand,
  sub: subCommand,
  sql: sqlCommand,
  export: exportCommand,
  import: importCommand,
  completion: completionCommand(() => ({ ...commands, ...onFiles })),
}
