/** Of the page where devices are looked at together. */
export const exploreWords = {
  title: 'Explore',
  sentence: (devices: number, devicesText: string, metrics: number, range: string) =>
    `${devicesText} ${devices === 1 ? 'device' : 'devices'}, ${metrics} ${metrics === 1 ? 'metric' : 'metrics'}, ${range}`,

  devices: {
    label: 'Devices',
    add: 'Add a device',
    hint: 'pump-1, type:pump, tag:hall, group:…',
    first: 'Choose a device, or type: tag: group:',
    options: 'Devices and ways to choose them',
  },
  metrics: { label: 'Metrics', add: 'Add a metric', hint: 'Add a metric', options: 'Metrics of these devices' },
  remove: (what: string) => `Remove ${what}`,
  on: (n: number) => `on ${n} ${n === 1 ? 'device' : 'devices'}`,
  metricsFull: (n: number) => `${n} metrics are as many as one page shows.`,

  sum: {
    label: 'Show',
    none: 'Points',
    names: {
      avg: 'Average',
      min: 'Lowest',
      max: 'Highest',
      sum: 'Sum',
      count: 'Count',
      p50: 'Median',
      p95: '95th percentile',
      p99: '99th percentile',
      rate: 'Rate per second',
    } as Readonly<Record<string, string>>,
    percentile: (name: string) => `Percentile ${name.slice(1)}`,
  },
  every: {
    label: 'per',
    auto: (length: string) => `${length} (automatic)`,
    tooFine: (asked: string, used: string) => `${asked} would be more buckets than can be drawn; these are of ${used}.`,
    units: { s: 's', m: 'min', h: 'h', d: 'd', w: 'wk', mo: 'mo', y: 'y' } as Readonly<Record<string, string>>,
  },
  by: {
    label: 'Lines',
    device: 'One per device',
    type: 'One per type',
    metric: 'All together',
    tag: (name: string) => `One per ${name}`,
    none: (by: string) => (by === 'type' ? 'no type' : `no ${by.slice('tag:'.length)}`),
    all: 'all devices',
  },
  before: {
    label: 'Compare',
    none: 'with nothing',
    option: (length: string) => `with ${length} before`,
    earlier: (length: string) => `${length} before`,
    lengths: { '1h': '1 h', '1d': '1 day', '1w': '1 week', '4w': '4 weeks', '365d': '1 year' } as Readonly<Record<string, string>>,
  },

  rest: (text: string, n: number) => `The first 8 lines; ${text} ${n === 1 ? 'more is' : 'more are'} not drawn.`,
  seeTable: 'The table below has its figures.',
  figuresOf: (metric: string) => `Figures of ${metric}`,
  columns: { line: 'Line', newest: 'Newest', low: 'Low', mean: 'Mean', high: 'High', count: 'Points' },
  share: (percent: number) => `${percent} % true`,

  export: {
    points: 'Every point as CSV',
    pointsTitle: 'All points of these lines in this range, as they are stored',
    drawn: 'What is drawn as CSV',
    drawnTitle: 'The points on the screen, those of the earlier window too',
    header: ['line', 'metric', 'time', 'value', 'before'],
  },

  empty: {
    title: 'Look at devices together',
    lead: 'Choose devices and metrics above: each metric becomes a picture with a line per device. The address keeps the whole choice, so it can be sent.',
    ready: 'Or begin with',
    one: (device: string, metrics: string) => `${metrics} of ${device}`,
    many: (n: number, metric: string) => `${metric} of ${n} devices`,
    chooseMetric: 'Which metrics?',
    noMetrics: 'These devices have said no number yet. Their pictures appear with the first one.',
    nobody: 'No device meets this choice.',
  },
} as const
