// Every refusal the hub can give: one row gives the MQTT 5 reason code, the HTTP status, the WebSocket close code and the sentence.
//
// `retry` says whether the same message may pass later. Only what time cannot heal may be answered with an error PUBACK: a device
// never resends what was answered, so anything else closes the connection and leaves the message with the device.

interface Row {
  readonly mqtt: number
  readonly http: number
  readonly ws: number
  readonly retry: boolean
  readonly sentence: string
}

export const refusals = {
  // ── the wire ──
  'malformed-packet': { mqtt: 0x81, http: 400, ws: 1002, retry: false, sentence: 'The packet is malformed: {detail}.' },
  'protocol-error': { mqtt: 0x82, http: 400, ws: 1002, retry: false, sentence: 'The packet is not allowed here: {detail}.' },
  'version-unsupported': {
    mqtt: 0x84,
    http: 400,
    ws: 1002,
    retry: false,
    sentence: 'Protocol {detail} is not spoken here; use MQTT 3.1, 3.1.1 or 5.',
  },
  'client-id-invalid': { mqtt: 0x85, http: 400, ws: 1008, retry: false, sentence: 'The client identifier is refused: {detail}.' },
  'packet-too-large': {
    mqtt: 0x95,
    http: 413,
    ws: 1009,
    retry: false,
    sentence: 'The packet declares {bytes} bytes; the limit is {limit} (limits.{name}).',
  },
  'connect-timeout': {
    mqtt: 0x80,
    http: 408,
    ws: 1008,
    retry: true,
    sentence: 'CONNECT, and the authentication it asks for, were not done within {seconds} s (limits.connectSeconds).',
  },
  'keep-alive-timeout': {
    mqtt: 0x8d,
    http: 408,
    ws: 1008,
    retry: true,
    sentence: 'Nothing was heard for {seconds} s, one and a half times the keep-alive.',
  },
  'binary-only': {
    mqtt: 0x81,
    http: 400,
    ws: 1003,
    retry: false,
    sentence: 'MQTT over WebSocket is sent in binary frames; this one was text.',
  },
  'taken-over': { mqtt: 0x8e, http: 409, ws: 4005, retry: false, sentence: 'Another connection came with the client identifier {client}.' },
  kicked: {
    mqtt: 0x98,
    http: 409,
    ws: 4006,
    retry: true,
    sentence: 'An operator has closed the connections of {device}; it may connect again.',
  },
  'shutting-down': { mqtt: 0x8b, http: 503, ws: 1012, retry: true, sentence: 'The hub is stopping; connect again in {seconds} s.' },
  'receive-maximum-exceeded': {
    mqtt: 0x93,
    http: 429,
    ws: 1008,
    retry: false,
    sentence: 'More than {limit} PUBLISH packets wait for their answer (limits.receiveMaximum).',
  },
  'topic-alias-invalid': {
    mqtt: 0x94,
    http: 400,
    ws: 1008,
    retry: false,
    sentence: 'Topic alias {alias} is refused: the hub takes 1 to {limit}.',
  },
  'extended-auth-unsupported': {
    mqtt: 0x8c,
    http: 400,
    ws: 1008,
    retry: false,
    sentence: 'The authentication method {detail} is not supported.',
  },
  // ── admission and permissions ──
  'authentication-failed': { mqtt: 0x87, http: 401, ws: 1008, retry: false, sentence: 'The authentication failed: {detail}.' },
  'not-authorized': {
    mqtt: 0x87,
    http: 401,
    ws: 1008,
    retry: false,
    sentence:
      'Anonymous clients from {address} are not let in. A credential is made on the machine of the hub: npx mooring credentials create DEVICE.',
  },
  'not-allowed': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'These credentials do not allow to {action} {topic}; GET /v1/permissions/explain says which rule decides.',
  },
  // One sentence for all of it: which half was wrong helps only those who guess.
  'bad-credentials': {
    mqtt: 0x86,
    http: 401,
    ws: 1008,
    retry: false,
    sentence: 'The credentials are not right, or not valid now. Which of the two, and which part, is not said.',
  },
  'client-id-not-yours': {
    mqtt: 0x85,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'The client identifier is not for these credentials; a device uses its device id, alone or followed by : and anything.',
  },
  'device-known': { mqtt: 0x83, http: 409, ws: 1008, retry: false, sentence: 'There is a device {id} on record already.' },
  'device-disabled': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'The device {device} is disabled; an operator can enable it.',
  },
  'too-many-failures': {
    mqtt: 0x9f,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'Too many wrong passwords or codes came from this address; try again in {seconds} s (limits.passwordFailuresPerAddress).',
  },
  'address-banned': {
    mqtt: 0x8a,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'Too many authentications from {address} failed, so it is shut out; try again in {seconds} s (limits.failuresPerAddress).',
  },
  'ban-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'The address {address} is not shut out.' },
  'authentication-busy': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'As many authentications are under way as may be (limits.{name}); try again in {seconds} s.',
  },
  'authentication-unavailable': {
    mqtt: 0x88,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'Who knows these credentials cannot be asked now; try again in {seconds} s.',
  },
  'credential-ended': { mqtt: 0x87, http: 401, ws: 1008, retry: false, sentence: 'The credential that this connection came by is {why}.' },
  'login-needed': {
    mqtt: 0x86,
    http: 401,
    ws: 1008,
    retry: false,
    sentence: 'Nobody is logged in here; log in on the page of the hub, or by POST /v1/login.',
  },
  'second-factor-needed': {
    mqtt: 0x86,
    http: 401,
    ws: 1008,
    retry: false,
    sentence: 'The password is right, and this user has a second factor: send its code, or a recovery code, as code.',
  },
  'second-factor-wrong': {
    mqtt: 0x86,
    http: 401,
    ws: 1008,
    retry: false,
    sentence: 'The code is not right, or was used before; the next one comes within 30 s. A recovery code is good once.',
  },
  'too-many-codes': {
    mqtt: 0x9f,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'Too many wrong codes came for this user; use a recovery code, or try again in {seconds} s (limits.codeFailuresPerUser).',
  },
  'second-factor-conflict': { mqtt: 0x83, http: 409, ws: 1008, retry: false, sentence: 'The second factor of {name} {detail}.' },
  'login-ended': { mqtt: 0x87, http: 401, ws: 1008, retry: false, sentence: 'The login that this connection came by has ended: {why}.' },
  'origin-needed': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'A request by cookie that changes something says from which page it comes, in Origin; programs use a token.',
  },
  'set-up-needed': {
    mqtt: 0x86,
    http: 401,
    ws: 1008,
    retry: false,
    sentence: 'This hub has no admin yet; open the link that it printed at its start, or make another by npx mooring admin reset.',
  },
  'set-up-link-invalid': {
    mqtt: 0x86,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'The set-up link is not right, too old or used; npx mooring admin reset on the machine of the hub makes another.',
  },
  'only-from-here': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'That is for who is on the machine of the hub, and comes without credentials.',
  },
  'user-invalid': { mqtt: 0x83, http: 400, ws: 1007, retry: false, sentence: 'The user is refused: {detail}.' },
  'user-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'There is no user {name}.' },
  'user-exists': { mqtt: 0x83, http: 409, ws: 1008, retry: false, sentence: 'There is a user {name} already.' },
  'last-admin': {
    mqtt: 0x83,
    http: 409,
    ws: 1008,
    retry: false,
    sentence: '{name} is the last admin who may log in, and this hub needs one; make another first.',
  },
  'too-many-users': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: false,
    sentence: 'There are {limit} users already, the limit (limits.users); remove one that is not needed.',
  },
  'credential-invalid': { mqtt: 0x83, http: 400, ws: 1007, retry: false, sentence: 'The credential is refused: {detail}.' },
  'credential-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'There is no credential {id}.' },
  'ca-unavailable': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'This hub has no CA to show or to issue by: {detail}.' },
  'too-many-credentials': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: false,
    sentence: 'There are {limit} credentials already, the limit (limits.{name}); revoke one that is not needed.',
  },
  'provisioning-refused': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'The provisioning key is right, and the device is not let in by it: {detail}.',
  },
  // No refusal of anything: how a device is told that it is done.
  provisioned: {
    mqtt: 0x98,
    http: 409,
    ws: 1000,
    retry: false,
    sentence: 'The device has a token of its own now; it connects again with that.',
  },
  'claims-not-taken': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'A device without a provisioning key is not let in here; a hub that is started with --allow-claims lets people claim it.',
  },
  'claim-ended': {
    mqtt: 0x87,
    http: 410,
    ws: 1008,
    retry: false,
    sentence: 'There is no such claim, or not any more: {detail}; begin another without a secret.',
  },
  'claim-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'No device waits with the claim {claim}.' },
  'claim-refused': { mqtt: 0x83, http: 409, ws: 1008, retry: false, sentence: 'The device {device} cannot be claimed: {detail}.' },
  'too-many-claims': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'As many devices wait to be claimed as may (limits.{name}); try again in {seconds} s.',
  },
  'role-invalid': { mqtt: 0x83, http: 400, ws: 1007, retry: false, sentence: 'The role is refused: {detail}.' },
  'role-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'There is no role {name}.' },
  'too-many-roles': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: false,
    sentence: 'There are {limit} roles already, the limit (limits.roles).',
  },
  'type-invalid': { mqtt: 0x83, http: 400, ws: 1007, retry: false, sentence: 'The device type is refused: {detail}.' },
  'type-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'There is no device type {name}.' },
  'type-in-use': {
    mqtt: 0x83,
    http: 409,
    ws: 1008,
    retry: false,
    sentence: 'There are {count} devices of the type {name}; give them another one first, or they may do what the type keeps them from.',
  },
  'too-many-types': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: false,
    sentence: 'There are {limit} device types already, the limit (limits.deviceTypes).',
  },
  'group-invalid': { mqtt: 0x83, http: 400, ws: 1007, retry: false, sentence: 'The group is refused: {detail}.' },
  'group-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'There is no group {name}.' },
  'too-many-groups': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: false,
    sentence: 'There are {limit} groups already, the limit (limits.groups).',
  },
  // ── commands ──
  'command-invalid': { mqtt: 0x80, http: 400, ws: 1007, retry: false, sentence: 'The command is refused: {detail}.' },
  'command-unknown': { mqtt: 0x80, http: 404, ws: 1008, retry: false, sentence: 'There is no command {id}.' },
  'command-over': { mqtt: 0x80, http: 409, ws: 1008, retry: false, sentence: 'The command {id} is {state} already.' },
  'command-ended': { mqtt: 0x80, http: 409, ws: 1008, retry: false, sentence: 'The command {id} ended as {state}{why}.' },
  'reply-invalid': { mqtt: 0x99, http: 400, ws: 1007, retry: false, sentence: 'The reply to the command {id} cannot be read: {detail}.' },
  'too-many-commands': {
    mqtt: 0x97,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'There are {limit} {what} already, the limit (limits.{name}); some of them have to end first.',
  },
  'bulk-unknown': { mqtt: 0x80, http: 404, ws: 1008, retry: false, sentence: 'There is no bulk of commands {id}.' },
  'rate-exceeded': {
    mqtt: 0x96,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'These credentials have published all that they may for now; again in {seconds} s (--identity-rate, --identity-bytes).',
  },
  'connection-rate-exceeded': {
    mqtt: 0x9f,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'Too many connections come from {address}; at most {limit} a second on average (limits.connectionsPerAddressSecond).',
  },
  'device-connects-too-often': {
    mqtt: 0x9f,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'Device {device} opens sessions too often; again in {seconds} s (--device-connections, or connectionsPerMinute of its type).',
  },
  'origin-not-allowed': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'A page from {origin} may not talk to this hub; add it with --allow-origin.',
  },
  'topic-not-allowed': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence:
      'Nobody but the hub may publish to {topic}: topics that begin with $ are its own, and so is what it finds, or says to a device.',
  },
  'too-many-connections': {
    mqtt: 0x9f,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'The hub holds {limit} connections, its limit (limits.connections).',
  },
  'too-many-sessions': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'The hub holds {limit} sessions, its limit (limits.sessions).',
  },
  // ── topics, devices, payloads ──
  'topic-invalid': { mqtt: 0x90, http: 400, ws: 1008, retry: false, sentence: 'The topic name is refused: {detail}.' },
  'filter-invalid': { mqtt: 0x8f, http: 400, ws: 1008, retry: false, sentence: 'The topic filter is refused: {detail}.' },
  'too-many-subscriptions': {
    mqtt: 0x97,
    http: 429,
    ws: 1008,
    retry: false,
    sentence: 'The session has {limit} subscriptions, its limit (limits.subscriptionsPerSession).',
  },
  'too-many-members': {
    mqtt: 0x97,
    http: 429,
    ws: 1008,
    retry: false,
    sentence: 'The shared subscription {filter} has {limit} members, its limit (limits.sharedGroupMembers).',
  },
  'device-id-invalid': {
    mqtt: 0x90,
    http: 400,
    ws: 1008,
    retry: false,
    sentence: 'The device id {id} is refused: use 1 to 128 letters, digits or . _ : @ -',
  },
  'device-invalid': { mqtt: 0x99, http: 400, ws: 1007, retry: false, sentence: 'The description of the device is refused: {detail}.' },
  'gateway-invalid': { mqtt: 0x99, http: 400, ws: 1007, retry: false, sentence: 'The device cannot have this gateway: {detail}.' },
  'not-a-child': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence:
      '{device} is no child of the gateway that speaks for it; an operator can make it one: mooring devices set {device} --gateway ID.',
  },
  'child-disabled': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: 'The device {device}, which the gateway speaks for, is disabled; an operator can enable it.',
  },
  'child-word-invalid': {
    mqtt: 0x99,
    http: 400,
    ws: 1007,
    retry: false,
    sentence: 'What a gateway says of {device} is online or offline, as plain text.',
  },
  'dialect-needs-device': {
    mqtt: 0x87,
    http: 403,
    ws: 1008,
    retry: false,
    sentence: '{topic} is for devices: it is of the one that says it, and this client is none.',
  },
  'dialect-not-understood': {
    mqtt: 0x99,
    http: 400,
    ws: 1007,
    retry: false,
    sentence: 'What was published to {topic} cannot be read as {dialect}: {detail}.',
  },
  'too-many-new-devices': {
    mqtt: 0x96,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'More than {limit} devices appeared within a minute (limits.devicesCreatedPerMinute); this one may come later.',
  },
  'too-many-devices': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: true,
    sentence: 'The hub knows {limit} devices, its limit (limits.devices).',
  },
  'event-invalid': { mqtt: 0x99, http: 400, ws: 1007, retry: false, sentence: 'The event is refused: {detail}.' },
  'telemetry-invalid': { mqtt: 0x99, http: 400, ws: 1007, retry: false, sentence: 'The telemetry is refused: {detail}.' },
  'twin-invalid': { mqtt: 0x99, http: 400, ws: 1007, retry: false, sentence: 'The change of the state is refused: {detail}.' },
  'twin-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'The device {device} has no twin {twin}.' },
  'twin-past-gone': {
    mqtt: 0x83,
    http: 410,
    ws: 1008,
    retry: false,
    sentence: 'What the twin {twin} of {device} was then is not kept any more; its versions say from when on it is.',
  },
  'twin-changed': {
    mqtt: 0x83,
    http: 412,
    ws: 1008,
    retry: false,
    sentence: 'The twin {twin} of {device} has the version {version}, which is not the one that If-Match names; read it again.',
  },
  'payload-format-invalid': {
    mqtt: 0x99,
    http: 400,
    ws: 1007,
    retry: false,
    sentence: 'The payload is not UTF-8, though its Payload Format Indicator says so; send it without the indicator.',
  },
  'payload-too-large': {
    mqtt: 0x95,
    http: 413,
    ws: 1009,
    retry: false,
    sentence: 'The payload has {bytes} bytes; the limit is {limit} (limits.packetBytes).',
  },
  'too-many-retained': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: false,
    sentence: 'The hub keeps {limit} of retained messages, its limit (limits.{name}).',
  },
  // ── cursors and sessions of the JSON protocol ──
  'frame-invalid': { mqtt: 0x82, http: 400, ws: 1007, retry: false, sentence: 'The frame is refused: {detail}.' },
  'hello-timeout': { mqtt: 0x80, http: 408, ws: 1008, retry: true, sentence: 'No hello came within {seconds} s (limits.connectSeconds).' },
  'text-only': {
    mqtt: 0x81,
    http: 400,
    ws: 1003,
    retry: false,
    sentence: 'The JSON protocol is sent in text messages; this one was binary.',
  },
  'cursor-invalid': {
    mqtt: 0x83,
    http: 400,
    ws: 1008,
    retry: false,
    sentence: 'The cursor {cursor} is refused: use one that the hub has given, epoch.seq.',
  },
  'since-invalid': { mqtt: 0x83, http: 400, ws: 1008, retry: false, sentence: 'The beginning of the history is refused: {detail}.' },
  'session-elsewhere': {
    mqtt: 0x85,
    http: 409,
    ws: 4005,
    retry: false,
    sentence: 'The session of {client} is kept for MQTT; say clean to end it and begin anew.',
  },
  'session-unknown': {
    mqtt: 0x85,
    http: 404,
    ws: 1008,
    retry: false,
    sentence: 'The client {client} has no session here; open it first, by GET /v1/session/events or a hello.',
  },
  // ── the store ──
  'store-full': {
    mqtt: 0x97,
    http: 507,
    ws: 1013,
    retry: true,
    sentence: 'The disk is full, so the message could not be stored; send it again later.',
  },
  'store-failed': {
    mqtt: 0x80,
    http: 500,
    ws: 1011,
    retry: true,
    sentence: 'The database failed ({detail}), so the message was not stored; send it again later.',
  },
  // ── HTTP and live ──
  'not-found': { mqtt: 0x80, http: 404, ws: 1008, retry: false, sentence: 'There is nothing at {path}; the routes are listed at /docs.' },
  'method-not-allowed': {
    mqtt: 0x80,
    http: 405,
    ws: 1008,
    retry: false,
    sentence: '{path} does not answer {method}; the routes are listed at /docs.',
  },
  'device-unknown': {
    mqtt: 0x90,
    http: 404,
    ws: 1008,
    retry: false,
    sentence: 'No device {id} has been seen. It appears with its first reading.',
  },
  'request-invalid': { mqtt: 0x80, http: 400, ws: 1007, retry: false, sentence: 'The request is refused: {detail}.' },
  'client-gone': {
    mqtt: 0x80,
    http: 499,
    ws: 1001,
    retry: true,
    sentence: 'Who asked went away before the answer, so the work for it ended.',
  },
  'body-too-large': { mqtt: 0x95, http: 413, ws: 1009, retry: false, sentence: 'The body is larger than {limit} bytes (limits.{name}).' },
  'body-too-slow': {
    mqtt: 0x80,
    http: 408,
    ws: 1008,
    retry: true,
    sentence: 'The body was not there within {seconds} s (limits.bodySeconds).',
  },
  'too-many-headers': {
    mqtt: 0x95,
    http: 431,
    ws: 1009,
    retry: false,
    sentence: 'The request has more than {limit} header fields (limits.headFields).',
  },
  'too-many-requests': {
    mqtt: 0x97,
    http: 429,
    ws: 1008,
    retry: true,
    sentence: 'More than {limit} requests of one connection wait for their answers (limits.requestsAhead).',
  },
  'line-too-long': {
    mqtt: 0x95,
    http: 413,
    ws: 1009,
    retry: false,
    sentence: 'Line {line} is longer than {limit} bytes (limits.lineBytes).',
  },
  'stream-silent': {
    mqtt: 0x8d,
    http: 408,
    ws: 1008,
    retry: true,
    sentence: 'No line came to its end for {seconds} s (limits.streamSilenceSeconds); send an empty one now and then.',
  },
  'too-many-streams': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'The hub reads {limit} streams, its limit (limits.streams).',
  },
  'sql-invalid': { mqtt: 0x80, http: 400, ws: 1007, retry: false, sentence: 'The SQL cannot be run: {detail}.' },
  'sql-not-allowed': { mqtt: 0x87, http: 403, ws: 1008, retry: false, sentence: 'SQL here only reads: {detail}.' },
  'too-many-transfers': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'The hub is busy with {limit} of these, its limit (limits.{name}); ask again when one has ended.',
  },
  'query-too-long': {
    mqtt: 0x80,
    http: 422,
    ws: 1008,
    retry: false,
    sentence: 'The query took longer than {limit} ms (limits.queryMs); ask for less, such as a shorter range of time.',
  },
  'query-too-large': {
    mqtt: 0x80,
    http: 422,
    ws: 1008,
    retry: false,
    sentence: 'The query is too large: {detail}; ask for less, such as a shorter range of time.',
  },
  'too-many-queries': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'As many queries are under way as may be ({limit}, limits.{name}); try again soon.',
  },
  'too-many-viewers': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'The hub serves {limit} live viewers, its limit (limits.viewers).',
  },
  'watch-invalid': { mqtt: 0x80, http: 400, ws: 1007, retry: false, sentence: 'The live socket takes {detail}.' },
  'internal-error': { mqtt: 0x80, http: 500, ws: 1011, retry: true, sentence: 'The hub made a mistake; it is in its log as {detail}.' },
  // ── extensions ──
  'call-invalid': { mqtt: 0x99, http: 400, ws: 1007, retry: false, sentence: 'The call is refused: {detail}.' },
  'call-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'No extension of this hub answers to {name}.' },
  'call-refused': { mqtt: 0x83, http: 422, ws: 1008, retry: false, sentence: '{detail}' },
  'call-failed': {
    mqtt: 0x80,
    http: 502,
    ws: 1011,
    retry: true,
    sentence: 'The extension {extension} failed at {name}; the log of the hub says why.',
  },
  'call-timeout': {
    mqtt: 0x80,
    http: 504,
    ws: 1013,
    retry: true,
    sentence: 'The extension {extension} did not answer to {name} within {seconds} s (limits.callSeconds).',
  },
  'too-many-calls': {
    mqtt: 0x97,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'As many calls of {device} wait as may, {limit} (limits.callsWaiting).',
  },
  'extension-failed': {
    mqtt: 0x80,
    http: 502,
    ws: 1011,
    retry: true,
    sentence: 'The extension {extension} failed at this request; the log of the hub says why.',
  },
  'extension-late': {
    mqtt: 0x80,
    http: 504,
    ws: 1013,
    retry: true,
    sentence: 'The extension {extension} did not get done within {seconds} s (limits.handlerSeconds).',
  },
  'too-many-extension-requests': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'As many requests of the extension {extension} are under way as may be, {limit} (limits.extensionRequests).',
  },
  'too-many-offloads': {
    mqtt: 0x97,
    http: 503,
    ws: 1013,
    retry: true,
    sentence: 'As much work of the extension {extension} is with the threads as may be, {limit} (limits.offloadsPerExtension).',
  },
  'conversation-unknown': { mqtt: 0x83, http: 404, ws: 1008, retry: false, sentence: 'There is no conversation {name} with {device}.' },
  'conversation-running': {
    mqtt: 0x83,
    http: 409,
    ws: 1008,
    retry: false,
    sentence: 'The conversation {name} with {device} is running already.',
  },
  'conversation-over': { mqtt: 0x83, http: 409, ws: 1008, retry: false, sentence: 'The conversation {name} with {device} is over: {why}.' },
  'too-many-conversations': {
    mqtt: 0x97,
    http: 429,
    ws: 1013,
    retry: true,
    sentence: 'As many conversations run as may, {limit} (limits.{limitName}).',
  },
  'device-silent': {
    mqtt: 0x80,
    http: 504,
    ws: 1013,
    retry: true,
    sentence: 'The device {device} {what} within {seconds} s.',
  },
} as const satisfies Record<string, Row>

export type RefusalCode = keyof typeof refusals

/**
 * A peer did something the hub will not do, or met a limit. Expected: logged as one line, without a stack. To take one would be five sixths of
 * the 20 µs that a refusal costs, and whoever wants to can have many.
 */
export class Refusal extends Error {
  readonly code: RefusalCode
  /** When to come again, where the sentence says it. */
  readonly againInSeconds: number | undefined

  /** `values` fill the sentence's {placeholders}. */
  constructor(code: RefusalCode, values: Readonly<Record<string, string | number>> = {}) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(refusals[code].sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? `{${name}}`)))
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'Refusal'
    this.code = code
    const { seconds } = values
    this.againInSeconds = typeof seconds === 'number' && refusals[code].sentence.includes('again in {seconds} s') ? seconds : undefined
  }

  get row(): Row {
    return refusals[this.code]
  }
}

/** The refusal that the call throws; undefined for none. */
export function refusalBy(call: () => void): Refusal | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

/** RFC 9457 problem details: what an HTTP client gets for any refusal. */
export function problemOf(refusal: Refusal): {
  type: string
  title: string
  status: number
  detail: string
  code: RefusalCode
  retry: boolean
} {
  const { http, retry } = refusal.row
  return {
    type: `/docs/errors#${refusal.code}`,
    title: refusal.code.replaceAll('-', ' '),
    status: http,
    detail: refusal.message,
    code: refusal.code,
    retry,
  }
}
