// The hub's own plan, as a dialect among others: it names the device in each topic, so what is said means the same from everybody.
import { meaningOf } from '../topics.ts'
import type { Dialect } from './dialect.ts'

/** Whatever no other is asked about. */
export const mooring: Dialect = {
  name: 'mooring',
  isOf: () => true,
  meaningOf,
}
