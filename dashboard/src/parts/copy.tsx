// A button that copies a text, and says so for a moment.
import { useSignal } from '@preact/signals'
import { words } from '../words.ts'

const copiedMs = 1_500

/** `what`: what is copied, for who does not see where the button stands. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const copied = useSignal(false)
  const copy = async () => {
    await copyText(text)
    copied.value = true
    setTimeout(() => {
      copied.value = false
    }, copiedMs)
  }
  return (
    <button type="button" onClick={copy} aria-label={`${words.copy.copy}: ${what}`}>
      {copied.value ? words.copy.copied : words.copy.copy}
    </button>
  )
}

/** The clipboard API is only there over TLS or on localhost; a hub on the local network is often reached by neither. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text)
    return
  }
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}
