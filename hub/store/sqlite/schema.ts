// The tables, as numbered steps that only go forward, and how a connection is set up for them.
import assert from 'node:assert/strict'
import type { Database } from 'better-sqlite3'
import type { Durability } from '../store.ts'

/** Step n brings a file from version n to n + 1 (PRAGMA user_version). A released step is never edited; a new one is added below it. */
const steps: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID, STRICT;

  CREATE TABLE journal (                -- one row per batch; the bytes are frames (frame.ts)
    first_seq INTEGER PRIMARY KEY,
    last_seq  INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    at_ms     REAL NOT NULL,
    bytes     BLOB NOT NULL
  ) STRICT;

  CREATE TABLE devices (
    number           INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    name             TEXT NOT NULL,
    created_ms       REAL NOT NULL,
    last_seen_ms     REAL,
    flushed_seq      INTEGER NOT NULL DEFAULT 0,  -- the device's telemetry up to here is in the tables below
    refusal_at_ms    REAL,
    refusal_topic    TEXT,
    refusal_sentence TEXT
  ) STRICT;

  CREATE TABLE series (
    id         INTEGER PRIMARY KEY,
    device     INTEGER NOT NULL REFERENCES devices (number),
    metric     TEXT NOT NULL,
    last_ms    REAL NOT NULL,
    last_value TEXT NOT NULL,           -- JSON
    UNIQUE (device, metric)
  ) STRICT;

  CREATE TABLE segments (               -- points of one series; a larger id was written later
    id       INTEGER PRIMARY KEY,
    series   INTEGER NOT NULL,
    first_ms REAL NOT NULL,
    last_ms  REAL NOT NULL,
    count    INTEGER NOT NULL,
    kind     INTEGER NOT NULL,          -- segment.ts
    bytes    BLOB NOT NULL
  ) STRICT;
  CREATE INDEX segments_by_time ON segments (series, last_ms, first_ms);

  CREATE TABLE retained (
    topic      TEXT PRIMARY KEY,
    seq        INTEGER NOT NULL,
    at_ms      REAL NOT NULL,
    qos        INTEGER NOT NULL,
    properties BLOB,
    payload    BLOB NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE journal ADD COLUMN routed_seq INTEGER NOT NULL DEFAULT 0;  -- messages up to here were handed on, see Batch.routedSeq

  CREATE TABLE sessions (
    number      INTEGER PRIMARY KEY,
    client_id   TEXT NOT NULL,
    expiry_s    INTEGER NOT NULL,
    away_ms     REAL,                   -- NULL while it is connected
    will        TEXT,                   -- JSON (fact.ts)
    owed_count  INTEGER NOT NULL DEFAULT 0,  -- its rows in owed, the sum of their bytes, and how many came by a shared group
    owed_bytes  INTEGER NOT NULL DEFAULT 0,
    owed_shared INTEGER NOT NULL DEFAULT 0,
    flushed_seq INTEGER NOT NULL        -- facts about the session up to here are in these tables
  ) STRICT;

  CREATE TABLE subscriptions (
    session    INTEGER NOT NULL,
    filter     TEXT NOT NULL,
    options    INTEGER NOT NULL,        -- as in SUBSCRIBE of MQTT 5: 1 and 2 QoS, 4 No Local, 8 Retain As Published
    identifier INTEGER,
    PRIMARY KEY (session, filter)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE owed (                   -- what a session is owed at QoS 1 and 2, in the order of places
    session      INTEGER NOT NULL,
    place        INTEGER NOT NULL,
    message      INTEGER NOT NULL,      -- owed_messages.seq
    bytes        INTEGER NOT NULL,      -- of that message, for the session's bound
    packet_id    INTEGER NOT NULL,      -- 0 while it is not sent
    released     INTEGER NOT NULL,      -- PUBREC has come
    qos          INTEGER NOT NULL,
    retain       INTEGER NOT NULL,
    identifiers  TEXT,                  -- JSON
    share_filter TEXT,
    PRIMARY KEY (session, place)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE owed_messages (          -- each once, however many sessions are owed it
    seq   INTEGER PRIMARY KEY,
    refs  INTEGER NOT NULL,             -- rows of owed that name it
    frame BLOB NOT NULL                 -- as in the journal, with its checksum
  ) STRICT;

  CREATE TABLE received (               -- packet identifiers of PUBLISHes at QoS 2 that are not yet released
    session   INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
  ) WITHOUT ROWID, STRICT;
  `,
  `
  CREATE TABLE epochs (                 -- runs of the hub, see cursors.ts
    epoch     INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL
  ) STRICT;

  ALTER TABLE sessions ADD COLUMN followed_seq INTEGER;  -- it goes by cursor and has dealt with what lies up to here
  `,
  `
  ALTER TABLE devices ADD COLUMN type TEXT;
  ALTER TABLE devices ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';  -- JSON, {name: value}, both text

  CREATE TABLE heads (                  -- points on their way into chunks: what one flush brought of one device (heads.ts)
    id       INTEGER PRIMARY KEY,       -- a larger one was written later
    device   INTEGER NOT NULL,
    at_ms    REAL NOT NULL,
    points   INTEGER NOT NULL,
    deepest  INTEGER NOT NULL,          -- the points of the series that has most
    bytes    BLOB NOT NULL
  ) STRICT;
  CREATE INDEX heads_of_device ON heads (device);

  ALTER TABLE devices ADD COLUMN head_rows INTEGER NOT NULL DEFAULT 0;  -- its rows in heads, and the sum of their deepest
  ALTER TABLE devices ADD COLUMN head_depth INTEGER NOT NULL DEFAULT 0;

  CREATE INDEX devices_due ON devices (number) WHERE head_depth >= 1000 OR head_rows >= 64;  -- as sealer.ts asks for them

  CREATE TABLE partitions (             -- files of chunks: one tier of one stretch of time (partitions.ts)
    file     TEXT PRIMARY KEY,
    tier     TEXT NOT NULL,             -- raw, minute, hour, day
    start_ms REAL NOT NULL,
    end_ms   REAL NOT NULL,             -- not included
    keep     TEXT NOT NULL,             -- the retention rule whose series it holds
    state    TEXT NOT NULL,             -- catalogue.ts
    points   INTEGER NOT NULL DEFAULT 0,  -- of raw ones points, of others buckets
    bytes    INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  `,
  `
  CREATE TABLE damaged_heads (          -- rows of heads that could not be read whole; only a check looks at them
    id     INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    at_ms  REAL NOT NULL,
    points INTEGER NOT NULL,
    bytes  BLOB NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE series RENAME COLUMN last_value TO newest;  -- "metric":{"at":last_ms,"value":JSON}, as answers bring it
  UPDATE series SET newest = json_quote(metric) || ':{"at":' || iif(last_ms = CAST(last_ms AS INTEGER), CAST(last_ms AS INTEGER), last_ms)
    || ',"value":' || newest || '}';
  `,
  `
  CREATE TABLE access (                 -- who may come in: what is removed or replaced leaves no trace (access-rows.ts)
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    body TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (kind, id)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE audit (                  -- who did what; without an index, see audit-log.ts
    id           INTEGER PRIMARY KEY,   -- without gaps: the oldest go first, and the newest never goes
    at_ms        REAL NOT NULL,
    who          TEXT NOT NULL,
    from_address TEXT NOT NULL,
    action       TEXT NOT NULL,
    target       TEXT NOT NULL,
    outcome      TEXT NOT NULL,         -- done, refused
    detail       TEXT NOT NULL
  ) STRICT;

  CREATE TABLE deletions (              -- of devices, as long as something of one may be left (deletions.ts)
    device   INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    last_seq INTEGER NOT NULL,
    series   TEXT NOT NULL              -- JSON, numbers
  ) STRICT;
  `,
  `
  ALTER TABLE sessions ADD COLUMN owner TEXT NOT NULL DEFAULT '';  -- whom it belongs to, such as device/pump-1; empty: an anonymous client
  `,
  `
  CREATE TABLE metadata (               -- beside devices, whose rows are read whole in every list and written with every flush
    device INTEGER PRIMARY KEY REFERENCES devices (number),
    body   TEXT NOT NULL                -- JSON, an object
  ) STRICT;
  `,
  `
  ALTER TABLE devices ADD COLUMN gateway TEXT;  -- id of the device whose connections speak for it, too
  CREATE INDEX devices_by_gateway ON devices (gateway) WHERE gateway IS NOT NULL;
  `,
  `
  CREATE TABLE twins (                  -- what is desired and reported of devices (twin-rows.ts)
    device          INTEGER NOT NULL REFERENCES devices (number),
    name            TEXT NOT NULL,
    version         INTEGER NOT NULL,
    at_ms           REAL NOT NULL,      -- of that version
    desired_version INTEGER NOT NULL,   -- the last one that changed what is desired; 0 when nothing ever was
    desired         TEXT NOT NULL,      -- JSON objects, and beside each the times of its leaves
    desired_times   TEXT NOT NULL,
    reported        TEXT NOT NULL,
    reported_times  TEXT NOT NULL,
    kept_versions   INTEGER NOT NULL,   -- its rows in twin_versions, and their bytes
    kept_bytes      INTEGER NOT NULL,
    PRIMARY KEY (device, name)
  ) STRICT;

  CREATE TABLE twin_versions (          -- how each version of a twin differs from the one before (twin-history.ts)
    id      INTEGER PRIMARY KEY,        -- a larger one was written later
    device  INTEGER NOT NULL,
    twin    TEXT NOT NULL,
    version INTEGER NOT NULL,
    at_ms   REAL NOT NULL,
    part    TEXT NOT NULL,              -- desired, reported
    who     TEXT,                       -- NULL for the device
    undo    TEXT NOT NULL,              -- JSON, the merge patch that leads back to the version before
    UNIQUE (device, twin, version)
  ) STRICT;
  `,
  `
  CREATE TABLE presences (              -- how each device is connected, of those that ever were (presence-rows.ts)
    device INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,               -- online, away, offline
    body   TEXT NOT NULL                -- JSON, as answers bring it
  ) STRICT;

  CREATE TABLE events (                 -- the newest ones of each device (event-rows.ts)
    device INTEGER NOT NULL,
    number INTEGER NOT NULL,            -- without gaps: the oldest go first, and the newest never goes
    seq    INTEGER NOT NULL,            -- of the frame in the journal that told of it
    at_ms  REAL NOT NULL,
    kind   TEXT NOT NULL,               -- event, presence, freshness
    name   TEXT NOT NULL,
    body   TEXT NOT NULL,               -- JSON
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (device, number)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX events_in_order ON events (seq, bytes);
  `,
  `
  CREATE TABLE bulks (                  -- what was asked of many devices at once
    number      INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    params      TEXT NOT NULL,          -- JSON, as in command_bodies
    until       TEXT,
    by          TEXT NOT NULL,
    concurrency INTEGER NOT NULL,
    targets     INTEGER NOT NULL,
    is_whole    INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE commands (               -- what changes of them (command-rows.ts)
    number       INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL,
    bulk         INTEGER,
    name         TEXT NOT NULL,
    key          TEXT,
    state        TEXT NOT NULL,
    over_ms      REAL,                  -- NULL while something may come of it
    deadline_ms  REAL NOT NULL,
    attempts     INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    held_by      INTEGER NOT NULL,      -- a session, 0 for none
    seq          INTEGER NOT NULL,      -- of the message that was sent last, 0 for none
    trail        TEXT NOT NULL,         -- JSON of each step, with commas between
    late         TEXT,                  -- JSON
    bytes        INTEGER NOT NULL       -- with its body
  ) STRICT;
  CREATE INDEX commands_of_device ON commands (device, number);
  CREATE INDEX commands_open ON commands (number) WHERE over_ms IS NULL;
  CREATE INDEX commands_over ON commands (over_ms) WHERE over_ms IS NOT NULL;
  CREATE INDEX commands_of_bulk ON commands (bulk, number) WHERE bulk IS NOT NULL;

  CREATE TABLE command_bodies (         -- what is written once; of a command of a bulk its result alone
    number INTEGER PRIMARY KEY REFERENCES commands (number) ON DELETE CASCADE,
    by     TEXT,
    params TEXT,                        -- JSON, like the next two
    until  TEXT,
    result TEXT
  ) STRICT;
  `,
]

/** Brings the file to the version of this code. A file from newer code is left alone, with an error that names both versions. */
export function migrate(db: Database): void {
  const version = Number(db.pragma('user_version', { simple: true }))
  if (version > steps.length) {
    throw new Error(
      `The database ${db.name} has schema version ${version}, and this Mooring knows versions up to ${steps.length}; start the newer Mooring that wrote it.`,
    )
  }
  steps.slice(version).forEach((step, at) => {
    db.transaction(() => {
      db.exec(step)
      db.pragma(`user_version = ${version + at + 1}`)
    })()
  })
}

/** Sets up the one connection that writes. */
export function prepareWriter(db: Database, durability: Durability): void {
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get())
  // Before 3.51.3 a WAL that was reset during a checkpoint could lose a commit.
  assert(isAtLeast(version, [3, 51, 3]), `SQLite ${version} is older than 3.51.3`)
  db.pragma('page_size = 16384') // a batch of 2,000 messages commits in three quarters of the time it takes with 4 KiB pages
  assert.equal(db.pragma('journal_mode = WAL', { simple: true }), 'wal')
  setSynchronous(db, durability)
  // 16 MiB. A checkpoint holds up the commit that meets it: at 150,000 messages a second p99 is 20 to 50 ms, with 8,000 pages 140 to 180.
  db.pragma('wal_autocheckpoint = 1000')
  db.pragma(`journal_size_limit = ${256 * 1024 * 1024}`)
  db.pragma('foreign_keys = ON')
  db.pragma('busy_timeout = 2000')
  db.pragma('secure_delete = OFF')
  db.pragma('cache_size = -65536')
}

/** `fsync` survives a power cut, `batched` the death of the process and at worst the newest commits of a power cut. */
export function setSynchronous(db: Database, durability: Durability): void {
  const levels = { fsync: 'FULL', batched: 'NORMAL', memory: 'OFF' } as const
  db.pragma(`synchronous = ${levels[durability]}`)
}

function isAtLeast(version: string, floor: readonly number[]): boolean {
  const parts = version.split('.').map(Number)
  for (const [at, least] of floor.entries()) {
    const part = parts[at] ?? 0
    if (part !== least) return part > least
  }
  return true
}
