// Sentences that stand where content would: a problem with its code, a page that is not there.
import type { Problem } from '../api.ts'
import { words } from '../words.ts'

export function ProblemNotice({ problem, again }: { problem: Problem; again: () => void }) {
  return (
    <div class="notice" role="alert">
      <p>
        <i class="shape bad" />
        {problem.message} <code>{problem.code}</code>
      </p>
      <button type="button" onClick={again}>
        {words.problem.again}
      </button>
    </div>
  )
}
