// Every sentence and label of the dashboard, in English. A translation is another object of this shape.

const plural = (n: number, text: string, one: string, many: string): string => `${text} ${n === 1 ? one : many}`

export const words = {
  product: 'Mooring',
  skip: 'Skip to the page',
  title: (page: string) => `${page} · Mooring`,

  nav: { label: 'Pages', devices: 'Devices', hub: 'Hub', keys: 'Keys' },
  theme: { label: 'Theme', system: 'System', light: 'Light', dark: 'Dark' },

  live: {
    live: 'Live',
    connecting: 'Connecting',
    lost: 'Live view lost',
    lostFor: (ago: string, reason: string) => `Live view lost ${ago}, trying again.${reason === '' ? '' : ` ${reason}`}`,
    silent: (seconds: number) => `The hub said nothing for ${seconds} s.`,
  },

  durability: {
    batched: 'Durability is “batched”: a power cut can lose the newest readings although devices were told they are stored.',
    memory: 'Durability is “memory”: devices are told “stored” before anything is on disk; a crash of the hub loses the newest readings.',
  },

  devices: {
    title: 'Devices',
    sentence: (connected: string, known: number, knownText: string, rate: string) =>
      `${connected} of ${plural(known, knownText, 'device', 'devices')} connected · ${rate} messages/s`,
    reading: 'Reading the list of devices …',
    none: 'No device has been heard yet',
    filter: 'Filter',
    filterHint: 'Filter by id or name; is:connected, is:offline',
    shown: (n: number, text: string) => plural(n, text, 'device', 'devices'),
    partOfFleet: (held: string, all: string) => `The first ${held} of ${all} devices; the filter searches all of them.`,
    noMatch: (filter: string) => `No device matches “${filter}”.`,
    clear: 'Clear the filter',
    columns: { state: 'State', device: 'Device', values: 'Newest values', seen: 'Last seen' },
    sortBy: (column: string) => `Sort by ${column.toLowerCase()}`,
    table: 'Devices of this hub',
  },

  state: { connected: 'Connected', reporting: 'Reporting', offline: 'Offline' },

  first: {
    heading: 'Waiting for the first message',
    lead: 'Devices need no registration. Each one appears here with its first reading, and this page turns into their table by itself.',
    mqtt: 'Send one over MQTT',
    http: 'Send one over HTTP',
    noMqtt: 'The MQTT listener is switched off on this hub.',
    copy: 'Copy',
    copied: 'Copied',
  },

  transports: {
    mqtt: 'MQTT',
    'mqtt-tcp': 'MQTT over TCP',
    'mqtt-tls': 'MQTT over TLS',
    'mqtt-ws': 'MQTT over WebSocket',
    'json-ws': 'WebSocket',
    sse: 'HTTP event stream',
    'long-poll': 'HTTP long-poll',
  } as Readonly<Record<string, string>>,

  device: {
    lastSeen: (ago: string) => `last seen ${ago}`,
    neverSeen: 'no reading yet',
    client: (clientId: string) => `client ${clientId}`,
    firstSeen: (ago: string) => `first seen ${ago}`,
    latest: 'Latest values',
    charts: 'Charts',
    others: 'Texts and structures',
    columns: { metric: 'Metric', value: 'Newest value', at: 'When' },
    noValues: 'No reading has come from this device yet. Its charts appear with the first one.',
    noPoints: 'No points in this range',
    thinned: (points: string) => `thinned from ${points} points`,
    refused: (ago: string, topic: string) => `Last refusal ${ago} on ${topic}`,
    range: 'Time range',
    ranges: { '5m': '5 min', '1h': '1 h', '24h': '24 h', '7d': '7 d' },
    moreCharts: (n: string) => `Show ${n} more charts`,
    chartLabel: (metric: string, range: string) => `${metric}, last ${range}`,
    boolean: ['false', 'true'],
  },

  hub: {
    title: 'Hub',
    sentence: (version: string, duration: string) => `Version ${version}, up for ${duration}.`,
    listensMqtt: (at: string) => `MQTT on ${at}`,
    listensHttp: (at: string) => `HTTP on ${at}`,
    listensMqtts: (at: string) => `MQTT over TLS on ${at}`,
    listensHttps: (at: string) => `HTTPS on ${at}`,
    listensAll: (at: string) => `all of it on ${at}`,
    mqttOff: 'MQTT is off',
    now: 'Now',
    figures: {
      messagesPerSecond: ['Messages in', '/s'],
      deliveriesPerSecond: ['Deliveries out', '/s'],
      commitsPerSecond: ['Commits', '/s'],
      lastCommitMs: ['Last commit', 'ms'],
      backlogBytes: ['Backlog', ''],
      loopDelayMs: ['Loop delay', 'ms'],
      connected: ['Devices connected', ''],
      connections: ['Connections', ''],
      sessions: ['Sessions', ''],
      subscriptions: ['Subscriptions', ''],
      retained: ['Retained messages', ''],
      dropped: ['Deliveries dropped', ''],
      points: ['Points stored', ''],
    },
    durability: 'Durability',
    durabilitySays: {
      fsync: 'Every answer waits until the reading is on disk (fsync).',
      batched: 'What was answered survives a crash of the hub, not a power cut (batched).',
      memory: 'Answers come before anything is on disk; a crash loses the newest readings (memory).',
    },
    refusals: 'Refusals since the start',
    refusalsNone: 'Nothing has been refused.',
    refusalColumns: { name: 'Code', sentence: 'What the peer was told', count: 'Count' },
    drops: 'Deliveries dropped since the start',
    dropsNone: 'No delivery has been dropped.',
    dropColumns: { name: 'Reason', sentence: 'What happened to the message', count: 'Count' },
    limits: 'Limits',
    limitColumns: { name: 'Limit', value: 'Value', used: 'In use', reason: 'Why' },
  },

  keys: {
    title: 'Keys',
    close: 'Close',
    list: [
      ['/', 'Filter the devices'],
      ['j  k', 'Next and previous row'],
      ['Enter', 'Open the row'],
      ['Esc', 'Leave the filter'],
      ['g d', 'Devices'],
      ['g h', 'Hub'],
      ['?', 'This list'],
    ],
  },

  nothing: { title: 'Nothing here', sentence: (path: string) => `There is no page at ${path}.`, back: 'Go to the devices' },

  problem: {
    unreachable: 'The hub did not answer. It may be stopped, or the network is gone.',
    unreadable: (status: number) => `The hub answered ${status} with something this page cannot read.`,
    again: 'Try again',
  },

  time: {
    now: 'now',
    never: 'never',
    ago: (duration: string) => `${duration} ago`,
    units: { s: 's', min: 'min', h: 'h', d: 'd' },
  },
} as const
