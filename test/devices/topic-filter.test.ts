// The filters that read the journal agree with the text of the specification.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TopicFilters } from '../../devices/topic-filter.ts'
import { matches, topicFilter, topicName } from '../routing/naive.ts'

test('several filters match what one of them matches alone, also when a topic is asked for again', () => {
  fc.assert(
    fc.property(fc.array(topicFilter, { maxLength: 4 }), fc.array(topicName, { maxLength: 8 }), (filters, topics) => {
      const set = new TopicFilters(filters)
      for (const topic of [...topics, ...topics]) {
        assert.equal(
          set.matches(topic),
          filters.some((filter) => matches(filter, topic)),
          `${filters.join(' , ')} and ${topic}`,
        )
      }
    }),
    { numRuns: 2000 },
  )
})
