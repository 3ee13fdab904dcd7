// What can be done with the chosen devices. It floats above the list while any are.
import { useSignal } from '@preact/signals'
import { choose, chosen } from '../chosen.ts'
import { count } from '../format.ts'
import { may } from '../me.ts'
import { words } from '../words.ts'
import { type Deed, ManyDialog } from './many-dialog.tsx'

const tagDeeds: readonly Deed[] = ['addTag', 'removeTag']
const grave: readonly Deed[] = ['kick', 'remove']

export function ChosenBar() {
  const deed = useSignal<Deed | null>(null)
  const n = chosen.value.size
  if (n === 0) return null
  const { chosen: said } = words.overview
  const offered = [...(may('admin') ? tagDeeds : []), ...(may('command') ? (['command'] as const) : []), ...(may('admin') ? grave : [])]
  return (
    <div class="chosen-bar" role="toolbar" aria-label={said.label}>
      <b role="status">{said.count(n, count(n))}</b>
      {offered.map((one) => (
        <button
          key={one}
          type="button"
          onClick={() => {
            deed.value = one
          }}
        >
          {said[one]}
        </button>
      ))}
      <button type="button" class="link" onClick={() => choose([])}>
        {said.clear}
      </button>
      {deed.value === null ? null : (
        <ManyDialog
          deed={deed.value}
          devices={[...chosen.value]}
          onClose={() => {
            deed.value = null
          }}
        />
      )}
    </div>
  )
}
