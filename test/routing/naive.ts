// What the indexes are compared with: topic filters matched one by one, as section 4.7 tells it, and names made of few words so that they meet.
import fc from 'fast-check'

/** MQTT 5 and 3.1.1, section 4.7: written from the text, level by level. */
export function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false // [MQTT-4.7.2-1]
  const filterLevels = filter.split('/')
  const topicLevels = topic.split('/')
  for (const [at, level] of filterLevels.entries()) {
    if (level === '#') return true // [MQTT-4.7.1-1], its parent included
    if (at >= topicLevels.length) return false
    if (level !== '+' && level !== topicLevels[at]) return false
  }
  return filterLevels.length === topicLevels.length
}

const word = fc.constantFrom('', 'a', 'b', '$a')

export const topicName = fc
  .array(word, { minLength: 1, maxLength: 4 })
  .map((words) => words.join('/'))
  .filter((topic) => topic !== '')

export const topicFilter = fc
  .tuple(fc.array(fc.oneof(word, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([words, all]) => [...words, ...(all ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '')
