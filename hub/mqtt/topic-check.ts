// The topic of a PUBLISH, from its bytes.
import { Refusal } from '../errors.ts'
import { topicNameProblem } from '../routing/topic-names.ts'
import { readString } from './utf8.ts'

/** Decodes the topic of a PUBLISH. Errors: `malformed-packet` for what is no MQTT string, `topic-invalid` for what is no topic name. */
export function readTopicName(buffer: Buffer, start: number, end: number): string {
  const topic = readString(buffer, start, end, 'the topic name')
  const problem = topicNameProblem(topic)
  if (problem !== undefined) throw new Refusal('topic-invalid', { detail: problem })
  return topic
}
