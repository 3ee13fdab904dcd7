/** Of the messages part. */
export const messagesWords = {
  title: 'Messages',
  sentence: (rate: string, kept: string) => `${rate} messages/s · the newest ${kept} are kept here`,
  reading: 'Listening …',
  lost: 'The tail broke off, trying again.',
  filter: 'Topic filter',
  filterHint: 'devices/+/telemetry, # for all',
  go: 'Follow',
  narrowed: 'All topics',
  pause: 'Pause',
  resume: 'Resume',
  passed: (n: string) => `▶ ${n} new`,
  publish: 'Publish …',
  view: 'What is listed',
  tail: 'Live',
  retained: 'Retained',

  empty: {
    heading: (filter: string) => `Nothing has come on ${filter} yet`,
    lead: 'Each message appears here as it comes. Send one:',
    curl: 'Send one over HTTP',
  },

  list: {
    label: 'Messages, the newest first',
    columns: { at: 'Time', topic: 'Topic', payload: 'Payload', qos: 'QoS', bytes: 'Size' },
    open: (time: string) => `Message of ${time}`,
    narrow: (topic: string) => `Follow ${topic} alone`,
    retained: 'retained',
  },

  tree: {
    title: 'Topics',
    label: 'Topics with messages and messages a second',
    size: (n: string) => n,
    full: (max: string) => `The tree ends at ${max} branches; topics past them count where there was room.`,
    empty: 'Topics appear as they are heard.',
    says: (name: string, count: string, rate: string, retained: boolean) =>
      `${name}: ${count} messages, ${rate} a second${retained ? ', retained' : ''}`,
    rate: (rate: string) => `${rate}/s`,
    show: 'Topics',
  },

  one: {
    title: 'Message',
    close: 'Close',
    topic: 'Topic',
    at: 'Came',
    qos: 'QoS',
    bytes: 'Size',
    retained: 'Retained',
    isRetained: 'yes: new subscribers get it',
    device: (id: string) => `Device ${id}`,
    payload: 'payload',
    view: 'How it is shown',
    views: { json: 'JSON', leaves: 'Values', text: 'Text', hex: 'Hex' },
    columns: { path: 'Where', says: 'Value' },
    whole: 'value',
    more: (n: string) => `The first ${n} values are shown.`,
    nothing: 'The payload is empty.',
    copy: 'Copy',
    previous: 'Compare with previous',
    against: 'Compare with …',
    pick: 'Now choose the other message: click it, or press x on it.',
  },

  diff: {
    title: 'Comparison',
    columns: { path: 'Where', before: (time: string) => `Before, ${time}`, after: (time: string) => `After, ${time}` },
    marks: { changed: 'changed', added: 'new', gone: 'gone' },
    same: (n: string) => `${n} the same`,
    equal: 'The two say the same.',
    topics: (before: string, after: string) => `${before} and ${after}`,
    noPrevious: 'No earlier message of this topic is kept here.',
    back: 'Back to the message',
  },

  send: {
    title: 'Publish a message',
    topic: 'Topic',
    payload: 'Payload',
    qos: 'QoS',
    retain: 'Retain: keep it for who subscribes later',
    submit: 'Publish',
    done: (topic: string, time: string) => `Published to ${topic} at ${time}.`,
  },

  kept: {
    label: 'Retained messages',
    count: (n: number, text: string, more: boolean) => `${text}${more ? ' and more' : ''} retained ${n === 1 ? 'message' : 'messages'}`,
    none: (filter: string) =>
      `Nothing is retained on ${filter}. What is published with “retain” stays here until it is replaced or cleared.`,
    columns: { topic: 'Topic', payload: 'Payload', qos: 'QoS', bytes: 'Size', at: 'Since' },
    more: 'Show more',
    clear: 'Clear',
    clearOne: (topic: string) => `Clear what is retained on ${topic}`,
    clearAll: (n: string) => `Clear these ${n} …`,
    title: 'Clear retained messages',
    ask: (n: string, filter: string) =>
      `What is retained on ${n} topics matching ${filter} is removed for everyone. Who subscribes later gets nothing of it.`,
    cleared: (n: string) => `${n} cleared.`,
  },

  confirm: { type: (text: string) => `Type ${text} to confirm`, back: 'Back' },
} as const
