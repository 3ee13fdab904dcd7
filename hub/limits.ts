// Every bound of the hub, with its reason. A bound is met by a refusal that names it; nothing grows past one.
import assert from 'node:assert/strict'

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

/** Name: [bound, its reason]. The reason is data, so that the hub page can show it beside the bound's present use. */
const table = {
  // ── one connection ──
  packetBytes: [256 * KiB, 'one MQTT packet. A declared length above it is refused before a byte is buffered'],
  connectBytes: [64 * KiB, 'a CONNECT, from someone we do not know yet: room for a will and credentials, not for an attack'],
  connectSeconds: [
    10,
    'time to say CONNECT and to prove who one is; longer than a slow mobile link needs, shorter than an idle socket is worth',
  ],
  authenticationBytes: [4 * KiB, 'data of one AUTH packet; SCRAM takes some 200 bytes, of someone we do not know yet'],
  authenticationSteps: [8, "a client's packets in one AUTH exchange; SCRAM takes two"],
  keepAliveSeconds: [30, 'the keep-alive of a JSON client that asks for none: most routers on the way forget what is silent for a minute'],
  keepAliveSecondsMin: [5, '… the shortest one may ask for: each costs a ping'],
  keepAliveSecondsMax: [300, '… and the longest, so that a client which is gone is known to be gone'],
  clientIdBytes: [128, 'a client identifier of the JSON protocol, as long as that of a device'],
  jsonFrameBytes: [384 * KiB, 'one frame of the JSON protocol: the largest payload in base64, and what stands around it'],
  unansweredPublishes: [64, 'PUBLISHes of one client that may wait for their commit; past it nothing more is read from it for that moment'],
  receiveMaximum: [
    1024,
    'PUBLISHes an MQTT 5 client may send ahead of the answers. Many libraries do not count, hence more than the hub reads',
  ],
  inflightMessages: [64, 'PUBLISHes to one client that may wait for its PUBACK, unless the client asks for fewer'],
  connectionWriteBytes: [256 * KiB, 'bytes handed to a socket that the peer has not read; past it, messages wait in the outbox'],
  connectionAnswerBytes: [64 * KiB, 'answers (PUBACK …) waiting for a peer that does not read; past it reading from it pauses'],
  connections: [100_000, 'sockets in all; the descriptor limit of the machine is usually met first'],
  // ── TLS ──
  certificateFileBytes: [
    256 * KiB,
    'a file of certificates or revocations: each listener parses it in the loop, and a CRL this large takes 15 ms',
  ],
  certificateNames: [100, 'names and addresses in the certificate that the hub makes for its host; it crosses the wire in each handshake'],
  certificateLookMs: [
    120,
    'time between the two looks that settle a change of certificate files; without one every third is taken, and all fits into 1 s',
  ],
  certificateDays: [3_650, 'days that the certificate of a device may be valid: ten years, as long as the CA lasts'],
  certificatesUnderWay: [4, 'certificates of devices made at a time, each in a thread of its own of 20 MB and 0.3 s'],
  certificateRequestBytes: [32 * KiB, 'what asks for one: a CSR with an RSA key of 4096 bits has 2 KiB, and some put a chain beside it'],
  // ── who may come in ──
  credentials: [250_000, 'credentials in all, some 1 KiB of memory each: two for each of 100,000 devices while they rotate, and some more'],
  credentialsPerOwner: [16, 'of one device or program: one in use, one to come, and those of its other ways to connect'],
  passwordsPerUsername: [2, 'passwords that are right at a time, the old one and the new; a wrong one is compared with each'],
  credentialTextBytes: [256, 'a user name, a password, a label, a name in a certificate; people and programs write less'],
  credentialUses: [
    5_000,
    'last uses written at a time, once a minute; what is left goes a minute later, so the loop is held for milliseconds',
  ],
  pageCertificates: [1_000, 'certificates in one page of the list; past it the answer says where the next begins'],
  provisioningKeys: [1_000, 'keys by which new devices may come; a few for each batch that leaves the factory'],
  provisioningUses: [1_000_000, 'devices that may come by one of them, as many as the hub knows'],
  claims: [1_000, 'devices without any secret that wait for somebody to claim them'],
  claimsPerAddress: [100, '… from one address (a /64 of IPv6): a bench of devices, not all that the hub has room for'],
  claimSeconds: [15 * 60, 'a device waits for that; somebody stands beside it'],
  allowances: [200_000, 'identities whose rate of publishing is watched, 150 bytes each; past it the oldest begin with a full allowance'],
  clonesWatched: [20_000, 'clients whose session moved between addresses lately, 200 bytes each'],
  addressesWatched: [20_000, 'addresses (a /64 of IPv6) whose rate of connecting is watched; the oldest begin anew'],
  connectionsPerAddressSecond: [100, 'connections a second from one address on average, not counting this machine'],
  connectionsPerAddress: [5_000, '… and at once: a fleet behind one address that comes back'],
  refusalsWatched: [20_000, 'identities whose refusals are counted by reason, 200 bytes each; the oldest are forgotten first'],
  auditedFailures: [20, 'authentications that failed within a second and are in the audit log one by one; the others are counted there'],
  rulesPerRole: [100, 'rules of one role; each is asked of each topic that is new'],
  ruleFilterBytes: [1_024, 'the filter of a rule, as long as a topic may be'],
  callbacksUnderWay: [200, 'logins that wait for the service that knows them, each a connection to it; past it who comes is sent away'],
  callbackBytes: [16 * KiB, 'its answer; a role and a name have 100 bytes'],
  callbacksRemembered: [20_000, 'its answers, remembered for a minute at most. Some 300 bytes each'],
  users: [1_000, 'people who may log in, each held in memory with the hash of a password'],
  userPasswordCharacters: [
    12,
    'the shortest password of a user: what one may guess in a year has fewer. Length counts, kinds of characters do not',
  ],
  logins: [5_000, 'logins of all users, some 500 bytes each; the oldest ends when one more begins'],
  loginsPerUser: [16, '… and of one user: the browsers of a person, some of them forgotten'],
  loginSeconds: [30 * 24 * 3600, 'a login lasts, used or not; then the password is asked for again'],
  loginIdleSeconds: [12 * 3600, '… and unused: over night, not over a weekend. A page that stands open is in use'],
  loginBytes: [4 * KiB, 'body of a login or a set-up, from someone we do not know yet: a name and a password'],
  recoveryCodes: [10, 'recovery codes of a user with a second factor, made with it: a sheet of paper, and years of lost phones'],
  enrolSeconds: [600, 'from the QR code of a second factor to its first code: time to find the phone and an app for it'],
  setUpSeconds: [24 * 3600, 'a set-up link holds: whoever starts a hub opens it the same day'],
  roles: [1_000, 'roles that admins made; a fleet has a handful, and each is held in memory with its rules'],
  jwtBytes: [8 * KiB, 'a token of another issuer; most have 1 KiB, and it has to fit into a head or a CONNECT'],
  jwtsUnderWay: [1_000, 'such tokens verified at a time, 0.1 ms each, in the threads that files need too; past it who comes is sent away'],
  jwksBytes: [256 * KiB, 'the keys of an issuer, fetched from it; a few KiB each'],
  passwordHashes: [2, 'passwords hashed at a time, 35 ms each, of the four threads that files and names of hosts need too'],
  passwordHashesWaiting: [100, '… and waiting for that: two seconds. Past it who comes is sent away to come again'],
  passwordFailuresPerAddress: [10, 'wrong passwords from one address (a /64 of IPv6); each is forgiven after six seconds'],
  passwordFailuresPerUsername: [
    50,
    'attempts at one user name from addresses that never knew its password; each is forgiven after a second',
  ],
  passwordFailures: [
    50,
    'such attempts in all, under way or wrong; five are forgiven a second, so that guessing from anywhere takes a fifth of a core and no more',
  ],
  codeFailuresPerUser: [
    10,
    'wrong codes of the second factor of one user, whose password was right; one is forgiven in ten minutes, so that six digits take years',
  ],
  passwordFailureNames: [20_000, 'addresses, and user names, whose failures are remembered; the oldest are forgotten first'],
  failuresPerAddress: [
    30,
    'authentications that may fail from one address (a /64 of IPv6), each by something else than those before; one is forgiven in a minute',
  ],
  failuresAmongOthers: [300, '… where somebody else was let in within a day: a fleet behind one address, part of which is set up wrongly'],
  failuresPerName: [5, '… and there, under one name: past it this is one device that is set up wrongly, whatever it tries'],
  failingAddresses: [5_000, 'addresses whose failures are remembered, 4 KiB each where they have many; the oldest are forgotten first'],
  bans: [10_000, 'addresses that are shut out, 200 bytes each; the oldest comes free when one more is'],
  banSeconds: [15 * 60, 'an address is shut out; long enough to make guessing pointless, short enough for who waits beside the device'],
  passwordsRemembered: [
    20_000,
    'passwords that were right lately, as keyed hashes: a fleet that comes back is not hashed anew. Some 150 bytes each',
  ],
  // ── how sockets arrive ──
  acceptQueue: [
    511,
    'connections that the system holds until the loop takes all of them in one turn, for which others wait: with 4096 over 1 s. Past it one tries again a second later',
  ],
  proxyHeaderBytes: [2 * KiB, 'a PROXY header with its fields; without them it has 52 bytes, and what a proxy adds of a certificate fits'],
  handshakeSeconds: [10, 'time for a TLS handshake; two round trips and one signature, so only who does not want to needs longer'],
  handshakes: [1_000, 'TLS handshakes under way, some 60 KiB each, of people we do not know yet; who comes then waits for a place'],
  handshakesWaiting: [20_000, 'sockets that wait for that place, so that a fleet may come back at once; past it they are closed'],
  headBytes: [16 * KiB, "the head of an HTTP request, all its fields together; a browser's cookies and a token fit"],
  headFields: [100, 'fields in it; browsers send some 20, and each proxy adds a few'],
  headSeconds: [10, 'time for the head of a request, counted from the opening of the connection or from its first byte'],
  bodySeconds: [30, 'time for a body that is read whole: 1 MiB over 300 kbit/s. Streams have none'],
  idleSeconds: [75, 'an HTTP connection without a request; longer than the 60 s of common proxies and clients'],
  requestsAhead: [
    128,
    'requests on one HTTP/1.1 connection that wait for their answers, as many as HTTP/2 has streams; the next one closes it',
  ],
  http2Streams: [128, 'requests and WebSockets on one HTTP/2 connection at a time; RFC 9113 advises 100 or more'],
  http2SessionBytes: [4_000_000, 'what the HTTP/2 layer holds for one connection; past it new streams of that connection are refused'],
  http2Pings: [10, 'our PINGs that one HTTP/2 connection leaves unanswered'],
  http2Settings: [32, 'settings in one SETTINGS frame; there are seven'],
  http2InvalidFrames: [100, 'frames or streams of one HTTP/2 connection that break its rules; the next one closes it'],
  http2ResetBurst: [200, 'streams that one HTTP/2 connection may reset at once; a page that is left resets as many as are open'],
  http2ResetRate: [20, '… and a second after that; who opens streams only to reset them (CVE-2023-44487) meets it'],
  webSocketFragments: [64, 'frames that one WebSocket message may be cut into; libraries send one'],
  webSocketChunks: [1024, 'pieces of one WebSocket message in which the network delivers it'],
  webSocketPongs: [60, 'answers to pings that a WebSocket which does not read may be owed'],
  // ── topics and sessions ──
  topicBytes: [1024, 'a topic name or filter; MQTT would allow 65,535, and every index would have to carry it'],
  topicLevels: [32, 'slashes cost a node each in the topic tree'],
  topicAliases: [32, 'topic aliases of one connection, each way; each costs a place in a table that lives as long as the connection'],
  subscriptionsPerSession: [1_000, 'one client must not own the tree'],
  sharedGroupMembers: [
    1_000,
    'members of one shared subscription; while all are absent, a message asks each of them before it is given to one',
  ],
  outboxMessages: [1_000, 'messages one slow or absent session is owed'],
  outboxBytes: [4 * MiB, '… and their bytes'],
  outboxBytesAll: [256 * MiB, '… and the bytes of all sessions together, so that many absent ones fill neither the memory nor the disk'],
  sessions: [200_000, 'sessions remembered, with or without a connection'],
  sessionExpirySeconds: [7 * 24 * 3600, 'longest a session is kept for an absent client; MQTT 3.1.1 sessions have no expiry of their own'],
  retainedMessages: [100_000, 'retained messages in all'],
  retainedBytes: [128 * MiB, '… and their bytes, topics included'],
  routeCacheTopics: [50_000, 'topic names whose meaning and subscribers are remembered; the cache starts over when it is full'],
  dialectNumbers: [100_000, 'commands whose number in a dialect is remembered; a reply to an older one is refused'],
  // ── devices ──
  devices: [1_000_000, 'devices on record; their ids are held in memory (some 100 bytes each)'],
  devicesCreatedPerMinute: [20_000, 'a fleet of 10,000 may appear at once; a loop that invents ids may not go on for ever'],
  deviceNameBytes: [256, 'the name of a device, a line on a screen'],
  deviceTypeBytes: [64, "a device's type: a word that many devices share"],
  deviceTypes: [500, 'types that say more than a name; a fleet has a handful, and each is held in memory by the loop and by two threads'],
  deviceTypeDocumentBytes: [64 * KiB, 'one of them as JSON: some hundred metrics with what they mean'],
  metricUnitBytes: [32, 'the unit of a metric, which stands behind its value'],
  descriptionBytes: [256, 'what people write of a type, a metric or a group: a sentence'],
  groups: [1_000, 'groups of devices: questions with a name, each held in memory'],
  groupNameBytes: [64, "a group's name, a few words on a screen"],
  groupQueryBytes: [1 * KiB, 'what devices are chosen by, a line that people read'],
  groupConditions: [32, 'conditions in it, as many as a device has tags; each list that is chosen so asks all of them of each device'],
  tagsPerDevice: [32, 'tags of one device: what people sort by. Each list that is filtered by a tag reads all of them'],
  tagNameBytes: [64, "a tag's name, a word that groups are made by"],
  tagValueBytes: [256, "a tag's value: a sentence fits, a document does not"],
  metadataBytes: [
    16 * KiB,
    'metadata of one device, as JSON: serial numbers, places, versions fit, and a change of it costs the loop no more',
  ],
  metadataLevels: [16, 'nesting of metadata: what a person would write, and far from what overflows a stack when it is merged'],
  pageMetadata: [100, 'devices in one page of the list that has their metadata, 1.6 MB at most'],
  // ── twins ──
  twinBytes: [
    16 * KiB,
    'the desired state of a twin, and the reported one, as JSON: settings and versions fit, and each change writes all of it',
  ],
  twinLevels: [10, 'nesting of a state: as deep as others allow, and far from what overflows a stack when it is merged'],
  twinPatchBytes: [32 * KiB, 'one change of a state: all of it taken away and all of it said anew'],
  twinsPerDevice: [16, 'twins of one device: one for each part that is looked after by itself'],
  twinCacheBytes: [32 * MiB, 'states that the writer holds in memory, as text: those that changed last'],
  twinVersions: [1_000, 'earlier versions of one twin that can be read: a change every hour, for six weeks'],
  twinVersionsBytes: [256 * KiB, '… and the bytes of what tells them apart'],
  twinVersionsAll: [2_000_000, 'earlier versions of all twins; the oldest go first'],
  twinVersionsAllBytes: [256 * MiB, '… and their bytes'],
  twinToldBytes: [4 * KiB, 'what of one change is told to those who listen; of a larger one they hear that there is one'],
  twinsTold: [1_000, 'changed twins of which the loop is told at a time'],
  twinsAtOnce: [100, 'twins that are changed in one transaction, or read in one go: some milliseconds of a thread'],
  twinTargets: [10_000, 'devices whose desired state one request may change; a second or two, and an answer of 1 MiB'],
  desiredRemembered: [100_000, 'desired states of which it is remembered that a newer one was said; what waits for a client goes by it'],
  pageTwinVersions: [1_000, 'versions in one page of the history of a twin'],
  // ── commands ──
  commandNameBytes: [64, 'the name of a command: a word that devices know'],
  commandKeyBytes: [64, 'the key by which a newer command takes the place of an older one'],
  commandBytes: [16 * KiB, 'params of one command, as JSON; files go another way'],
  commandResultBytes: [16 * KiB, '… and what a device answers; the rest of a longer reply is in its message alone'],
  commandSeconds: [24 * 3600, 'a command waits for its device and its reply, unless it says otherwise'],
  commandSecondsMax: [7 * 24 * 3600, '… and the longest, as long as a session waits'],
  commandAttempts: [3, 'a command is handed to a wire, unless it says otherwise: radio is lossy, and thrice is no accident'],
  commandAttemptsMax: [10, '… and the most'],
  commandsInFlight: [16, 'commands on their way to one device that it has not acknowledged; the others wait in order'],
  commandsPerDevice: [1_000, 'commands of one device that are not over; as many as an outbox holds'],
  commandsOpen: [250_000, '… and of all, some 600 bytes of memory each'],
  commandsOpenBytes: [128 * MiB, '… and the bytes of their params, those of a bulk once'],
  commandsWatched: [10_000, 'commands that wait for something to come about besides the reply'],
  commandWaiters: [10_000, 'HTTP requests that wait for the end of a command'],
  commandWaitSeconds: [60, '… each at most so long, as a long-poll'],
  commandsKept: [100_000, 'commands that are over and can still be looked at; the oldest go first'],
  commandsKeptBytes: [256 * MiB, '… and their bytes'],
  commandsKeptDays: [30, '… and days, where there are fewer'],
  pageCommands: [1_000, 'commands in one page of the list'],
  bulkTargets: [100_000, 'devices that one bulk of commands is for'],
  bulksOpen: [100, 'bulks of commands that are not over'],
  // ── telemetry ──
  metricsPerMessage: [256, 'metrics in one reading'],
  pointsPerMessage: [10_000, 'points in one message: an hour of seconds with two metrics fits'],
  metricNameBytes: [128, "a metric's name"],
  valueBytes: [16 * KiB, 'one string or JSON value'],
  metricsPerDevice: [1_000, 'series of one device; a device that puts a number into its metric names meets it'],
  // ── what happens to devices ──
  eventBytes: [4 * KiB, 'one event of a device: what a person reads on its timeline'],
  eventNameBytes: [128, 'what it is called, as the name of a metric'],
  eventsPerDevice: [1_000, 'its newest events: a year of a device that comes and goes three times a day'],
  events: [1_000_000, 'events of all devices; the oldest go first, and all are read through in 0.3 s'],
  eventsBytes: [256 * MiB, '… and their bytes, which a few thousand devices with long ones would fill the disk with otherwise'],
  freshDevices: [200_000, 'devices whose silence is noticed, of those that were heard of since the hub began; some 0.6 KB each'],
  pageEvents: [1_000, 'events in one page, all that are kept of a device'],
  // ── HTTP ──
  bodyBytes: [1 * MiB, 'one HTTP request body'],
  lineBytes: [64 * KiB, 'one NDJSON line, of a body or of a stream'],
  streams: [10_000, 'NDJSON streams that are open at a time'],
  streamSilenceSeconds: [
    90,
    'time in which one line of a stream has to end, be it an empty one; proxies let go of what is silent for longer',
  ],
  unansweredLines: [
    256,
    'lines of one stream or body that may wait for their commit; past it nothing more is read of it. More makes larger batches, and longer turns',
  ],
  unansweredLineBytes: [128 * KiB, '… and their bytes'],
  refusalsNamed: [1_000, 'refused readings that one answer names; those past it are only counted'],
  pageAudit: [1_000, 'entries of the audit log in one page'],
  pageSessions: [1_000, 'sessions in one page of the list'],
  pageRetained: [1_000, 'retained messages in one page of the list'],
  pageRetainedBytes: [1 * MiB, '… and the bytes of their payloads'],
  queries: [256, 'queries of telemetry that are under way or wait for one of their threads'],
  queryMs: [10_000, 'one query of telemetry, by SQL or otherwise; a dashboard has given up by then'],
  queryPoints: [20_000_000, 'points one query may read: about half a second of its thread'],
  answerBytes: [16 * MiB, 'JSON of one answer; pages of points and of newest values end before it and say where the next begins'],
  bucketsAnswered: [200_000, 'buckets of all series of one query: 32 MiB while they are computed'],
  pointsAnswered: [10_000, 'points per series in an answer; the rest is thinned, and the answer says so'],
  aggregatesAnswered: [32, 'aggregates of one query; each is a column of its answer'],
  latestDevices: [10_000, 'devices whose newest values one answer brings; a page of them is written in some 30 ms of a query thread'],
  sqlTextBytes: [64 * KiB, 'one SQL statement with its parameters; people and reports write less'],
  sqlRows: [10_000, 'rows in one answer to SQL; past it the answer says that it is cut'],
  sqlAnswerBytes: [8 * MiB, '… and their bytes as JSON, which the loop holds for a moment'],
  sqlDamagedSpans: [20, 'stretches with damaged points that one answer to SQL names; a check of the store names them all'],
  sqlWaiting: [16, 'SQL statements that wait for the one that runs; the last of them waits for as long as all before it may take'],
  sqlMemoryBytes: [
    1 * GiB,
    'data of the process that runs SQL. Node reserves some 600 MiB of it without using them; the rest sorts and groups some millions of rows',
  ],
  sqlCpuSeconds: [30, 'CPU time of that process in all, so that it ends even if the hub dies during a statement; it is renewed before'],
  pageDevices: [1_000, 'devices in one page of the list'],
  // ── export and import ──
  exports: [8, 'exports at a time; each has a reader of the store for itself, and one of Parquet a thread'],
  imports: [8, 'imports at a time; more would only wait for the same disk'],
  lineProtocolWrites: [256, 'bodies of line protocol at a time: agents that all send at the full minute find room, each some 100 KiB'],
  exportChunkBytes: [
    64 * KiB,
    'text of an export that is made at once, in less than a millisecond, and then waits for the client to take it',
  ],
  importMessagePoints: [1_000, 'points of an import in one message: many enough that the message costs nothing beside them'],
  importMessageBytes: [64 * KiB, '… and their bytes, about; the largest value fits into what is left of a packet'],
  importOpenBytes: [
    1 * MiB,
    "… and the bytes of all messages of one import that are not full; past it all go, so that a device's may be small",
  ],
  importWaitingBytes: [1 * MiB, 'messages of one import that wait for their commit; past it nothing more is read from the client'],
  importInflatedBytes: [256 * MiB, 'what a compressed body may become'],
  importSpoolBytes: [4 * GiB, 'a Parquet file that is imported; it has to be whole on disk, because its index stands at its end'],
  parquetGroupRows: [50_000, 'rows in a row group of an export: 20 MiB of memory of its thread, and enough for a reader to skip by'],
  parquetGroupRowsMax: [2_000_000, 'rows in a row group of an import; most programs write some 100,000 to 1,000,000'],
  parquetGroupBytes: [512 * MiB, '… and its bytes, or those of one of its columns'],
  parquetPageBytes: [64 * MiB, 'a page in it, unpacked; programs write 1 MiB, and a few packed bytes may claim any size'],
  parquetThreadBytes: [1 * GiB, 'heap of the thread that reads one: values as objects take several times what they take in the file'],
  // ── extensions ──
  extensions: [100, 'extensions of one hub; each is code that somebody wrote for it'],
  extensionSetUpSeconds: [10, 'time for the set-up of an extension: the hub listens once all are set up or have failed at it'],
  handlerHoldMs: [50, 'a handler may hold the loop for at a time: what holds it for longer is logged by its name, and counted'],
  handlerSeconds: [30, 'time for one call of a handler; then its signal is aborted, and what waits for its device goes on without it'],
  hookWaiting: [32, 'messages of one device that wait for one handler; past it the oldest gives way, of the same topic if there is one'],
  hookWaitingBytes: [512 * KiB, '… and their bytes'],
  hookWaitingBytesAll: [64 * MiB, '… and the bytes of all devices and handlers together'],
  parsedOnLoopBytes: [
    4 * KiB,
    'telemetry for a handler that the loop reads itself, in 20 µs: to ask a thread costs as much. Longer ones go there',
  ],
  callsWaiting: [8, 'calls of one device that wait for its call before'],
  callSeconds: [30, 'time for the answer to a call of a device, from the moment it came'],
  extensionRequests: [256, 'HTTP requests of one extension that are under way; they hold nobody else up, but each holds memory'],
  conversations: [1_000, 'conversations that run at a time, some 10 KiB each and what the extension holds for them'],
  conversationsPerDevice: [4, '… and with one device, each under another name'],
  conversationSeconds: [
    24 * 3600,
    'longest a conversation may be given: it does not survive a restart, so long work keeps its place elsewhere',
  ],
  conversationInputBytes: [16 * MiB, 'what a conversation is begun with: a firmware image'],
  conversationInputBytesAll: [128 * MiB, '… and that of all that run, while they run'],
  conversationMessages: [64, 'messages of a device that wait until its conversation asks for them; past it the oldest give way'],
  conversationMessageBytes: [1 * MiB, '… and their bytes'],
  conversationResultBytes: [16 * KiB, 'result of a conversation or why it failed, as JSON; what is longer is cut'],
  conversationsRemembered: [10, 'conversations with one device that are over and still shown'],
  conversationsRememberedAll: [5_000, '… and with all of them'],
  offloadsPerExtension: [64, 'work of one extension that a thread does or that waits for one'],
  offloadSeconds: [60, 'time for such work; then its thread is ended, whatever it does'],
  offloadHeapBytes: [512 * MiB, 'heap of such a thread; past it the thread ends and the hub does not'],
  // ── the journal ──
  batchBytes: [8 * MiB, 'one batch, one row, one commit'],
  backlogBytes: [64 * MiB, "messages waiting for the disk in all; past it every publisher's socket is paused"],
  journalBytes: [1 * GiB, 'journal kept behind the projection, for history on reconnect; the oldest batches go first'],
  projectionLagBytes: [256 * MiB, 'journal not yet projected into series; past it commits wait for the projection'],
  diskReserveBytes: [256 * MiB, 'free space below which the hub stores nothing more, so that it can still be repaired'],
  // ── who may come in ──
  accessWaitingBytes: [
    8 * MiB,
    'changes and entries of the audit log that wait for the disk; entries without a change may take half of it, so that who is refused by the thousand keeps no operator out',
  ],
  auditEntries: [1_000_000, 'entries of the audit log, years of what people do; the oldest go first, and all are read through in 0.1 s'],
  auditBytes: [256 * MiB, '… and their bytes, which guessed passwords would fill the disk with otherwise'],
  auditTextBytes: [1 * KiB, 'one text of an entry; a longer one is cut, because the entry must not be lost for it'],
  // ── history from the journal ──
  historyMessages: [10_000, 'messages that `last` may ask for'],
  historyPageMessages: [256, 'messages that one look into the journal brings'],
  historyPageBytes: [256 * KiB, '… and their bytes; what a slow reader costs the memory'],
  historyScanBytes: [4 * MiB, 'journal that one look passes over: some milliseconds of the reader thread'],
  aheadMessages: [256, 'messages that may come for one client while it looks into the journal for the last time; past it, it looks again'],
  // ── server-sent events and long-poll ──
  pollMessages: [
    256,
    'messages in one answer to a long-poll, unless they come from one look into the journal; the rest waits for the next',
  ],
  pollBytes: [256 * KiB, '… and their bytes'],
  pollSeconds: [60, 'a long-poll is held for no longer; common proxies give up then'],
  reconnectSpreadSeconds: [10, 'clients that the hub has to send away come back spread over as long'],
  // ── live view ──
  viewers: [200, 'live sockets and event streams in all'],
  viewerPending: [20_000, 'changes waiting for one slow viewer; past it they are dropped and it is told to resync'],
  viewerWriteBytes: [1 * MiB, "bytes handed to a viewer's socket that it has not read; past it frames wait and conflate"],
  frameChanges: [2_000, 'changes in one frame, of values, of devices and of commands: 10,000 devices at once would be a message of 2 MB'],
  frameEveryMs: [100, 'ten frames a second are more than an eye needs'],
  watchedDevices: [500, 'devices one viewer may name; a screen shows fewer'],
  liveMessageBytes: [64 * KiB, 'one message from a viewer: `watchedDevices` ids of 128 bytes fit'],
} as const satisfies Record<string, readonly [bound: number, reason: string]>

/** The bounds alone, for those who hold to them. */
export const limits = Object.freeze(Object.fromEntries(Object.entries(table).map(([name, [bound]]) => [name, bound]))) as {
  readonly [K in keyof typeof table]: number
}

export const limitReasons: ReadonlyMap<string, string> = new Map(Object.entries(table).map(([name, [, reason]]) => [name, reason]))

assert(limits.unansweredPublishes * limits.packetBytes <= limits.backlogBytes, 'one device must fit its own window into the backlog')
assert(limits.unansweredPublishes <= limits.receiveMaximum, 'reading pauses before the client is at fault')
assert(limits.packetBytes < limits.batchBytes, 'a batch must hold the largest packet')
assert(4 * limits.twinBytes <= limits.packetBytes, 'a packet must hold a desired state and what of it is not yet so')
assert(limits.twinPatchBytes <= limits.bodyBytes, 'a change is part of a body')
assert(limits.twinVersionsBytes >= 2 * limits.twinPatchBytes, 'the largest change must leave a version behind it')
assert(limits.bodyBytes < limits.batchBytes, 'a batch must hold the largest body')
assert(limits.connectBytes <= limits.packetBytes, 'a CONNECT is a packet')
assert(limits.packetBytes <= limits.outboxBytes, 'an outbox must hold the largest message')
assert(limits.jsonFrameBytes >= limits.packetBytes * 1.5, 'a frame must hold the largest payload, in base64 too')
assert(limits.lineBytes <= limits.bodyBytes, 'a line is part of a body')
assert(limits.lineBytes <= limits.unansweredLineBytes, 'a stream must be able to take its largest line')
assert(limits.importMessagePoints <= limits.pointsPerMessage, 'a message of an import is one as any other')
assert(limits.importMessageBytes + 2 * limits.valueBytes < limits.packetBytes, '… also in bytes')
assert(limits.packetBytes <= limits.pageRetainedBytes, 'a page must hold the largest retained message')
assert(limits.passwordFailures < limits.passwordHashesWaiting, 'who guesses must leave room in the queue for who knows')
assert(limits.users <= limits.passwordFailureNames, 'failures at codes are remembered of each user')
assert(limits.sqlTextBytes <= limits.bodyBytes, 'a statement is part of a body')
assert(
  limits.sqlCpuSeconds * 1000 > 2.5 * limits.queryMs,
  'a statement meets its own time before the end of a process that has used half of its',
)
assert(limits.packetBytes <= limits.hookWaitingBytes, 'a handler must be able to have the largest packet')
assert(limits.packetBytes <= limits.conversationMessageBytes, 'a conversation must be able to have the largest packet')
assert(limits.watchedDevices * 128 <= limits.liveMessageBytes, 'a viewer must be able to name all it may watch')
