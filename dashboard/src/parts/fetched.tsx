// A page that is fetched when it is first shown: nobody waits for what he does not look at.
import { signal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { useEffect } from 'preact/hooks'
import { Problem } from '../api.ts'
import { waitFor } from '../state.ts'
import { words } from '../words.ts'
import { ProblemNotice } from './notice.tsx'

export function fetched<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const found = signal<{ readonly page: ComponentType<Props> } | null>(null)
  const problem = signal<Problem | null>(null)
  const fetch = async () => {
    try {
      found.value = { page: await load() }
      problem.value = null
    } catch (cause) {
      problem.value = new Problem('unreachable', words.problem.unreachable, { cause })
    }
  }
  return function Fetched(props: Props) {
    useEffect(() => {
      if (found.peek() === null) waitFor(fetch())
    }, [])
    if (found.value === null)
      return problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => waitFor(fetch())} />
    const { page: Page } = found.value
    return <Page {...props} />
  }
}
