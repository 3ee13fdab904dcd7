// What the states of a command are called, on the page of commands and on that of a device.
export const commandStates = {
  states: {
    queued: 'Waiting',
    sent: 'Sent',
    received: 'Received',
    done: 'Done',
    effective: 'Effective',
    failed: 'Failed',
    expired: 'Expired',
    cancelled: 'Cancelled',
  },
  /** The same as a step of a timeline. */
  steps: {
    queued: 'queued',
    sent: 'sent',
    received: 'received',
    done: 'done',
    effective: 'effective',
    failed: 'failed',
    expired: 'expired',
    cancelled: 'cancelled',
  },
} as const
