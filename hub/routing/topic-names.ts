// Which topic names and topic filters are well-formed (5: section 4.7) and within the hub's limits, on every wire.
import { wildcardProblem } from '../../devices/topic-filter.ts'
import { limits } from '../limits.ts'

/** Why this is no topic name one may publish to; undefined when it is. */
export function topicNameProblem(topic: string): string | undefined {
  if (/[+#]/.test(topic)) return 'it contains a wildcard' // 5: [MQTT-3.3.2-2] [MQTT-4.7.0-1]
  return commonProblem(topic)
}

/** Why this is no topic filter one may subscribe to; undefined when it is. */
export function topicFilterProblem(filter: string): string | undefined {
  const problem = commonProblem(filter)
  if (problem !== undefined) return problem
  if (!isSharedFilter(filter)) return wildcardProblem(filter)

  const nameEnd = filter.indexOf('/', sharedPrefix.length)
  if (nameEnd === -1 || nameEnd === filter.length - 1) return 'after $share come a share name, a slash and a filter' // 5: [MQTT-4.8.2-2]
  const shareName = filter.slice(sharedPrefix.length, nameEnd)
  if (shareName === '') return 'the share name is empty' // 5: [MQTT-4.8.2-1]
  if (/[+#]/.test(shareName)) return 'the share name contains a wildcard' // 5: [MQTT-4.8.2-2]
  return wildcardProblem(filter.slice(nameEnd + 1))
}

const sharedPrefix = '$share/'

/** A shared subscription, `$share/{ShareName}/{filter}`. */
export function isSharedFilter(filter: string): boolean {
  return filter.startsWith(sharedPrefix)
}

function commonProblem(topic: string): string | undefined {
  if (topic === '') return 'it is empty' // 5: [MQTT-4.7.3-1]
  if (topic.includes('\0')) return 'it contains U+0000' // 5: [MQTT-4.7.3-2]
  if (/\p{Surrogate}/u.test(topic)) return 'it contains half a surrogate pair' // from JSON; UTF-8 cannot carry it
  const bytes = Buffer.byteLength(topic)
  if (bytes > limits.topicBytes) return `it is ${bytes} bytes long; the limit is ${limits.topicBytes} (limits.topicBytes)`
  const levels = topic.split('/', limits.topicLevels + 1).length
  if (levels > limits.topicLevels) return `it has more than ${limits.topicLevels} levels (limits.topicLevels)`
  return undefined
}
