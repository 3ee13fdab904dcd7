// What the login and the set-up share: a page without the rail, and the field for a name.
import type { ComponentChildren } from 'preact'
import { words } from '../words.ts'
import { Field } from './form.tsx'
import { Anchor } from './icons.tsx'

export function EntryPage({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="entry" id="page" tabIndex={-1}>
      <p class="brand">
        <Anchor />
        <span>{words.product}</span>
      </p>
      <h1>{title}</h1>
      {children}
    </main>
  )
}

export function NameField() {
  return <Field label={words.login.name} name="username" autocomplete="username" maxLength={64} />
}
