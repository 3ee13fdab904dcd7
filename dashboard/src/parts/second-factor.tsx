// The second factor of who is logged in: on with a QR code and a first code, then recovery codes to keep; off with password and code.
import { useSignal } from '@preact/signals'
import { type BegunSecondFactor, beginSecondFactor, confirmSecondFactor, endSecondFactor } from '../api.ts'
import { askWho } from '../me.ts'
import { words } from '../words.ts'
import { CopyButton } from './copy.tsx'
import { CodeField, CurrentPassword, DigitsField, Form } from './form.tsx'

type Step =
  | { readonly is: 'as-it-stands' }
  | { readonly is: 'begun'; readonly begun: BegunSecondFactor }
  /** It is on, and these are shown this once. */
  | { readonly is: 'codes'; readonly codes: readonly string[] }

/** `recoveryCodes`: how many are left; null without a second factor. */
export function SecondFactor({ recoveryCodes }: { recoveryCodes: number | null }) {
  const step = useSignal<Step>({ is: 'as-it-stands' })
  const { value } = step
  const become = (next: Step) => {
    step.value = next
  }
  return (
    <section class="account" aria-labelledby="second-factor">
      <h2 id="second-factor">{words.secondFactor.title}</h2>
      {value.is === 'codes' ? (
        <Codes codes={value.codes} onKept={() => become({ is: 'as-it-stands' })} />
      ) : value.is === 'begun' ? (
        <Begun begun={value.begun} onOn={(codes) => become({ is: 'codes', codes })} />
      ) : recoveryCodes === null ? (
        <Off onBegun={(begun) => become({ is: 'begun', begun })} />
      ) : (
        <On recoveryCodes={recoveryCodes} />
      )}
    </section>
  )
}

function Off({ onBegun }: { onBegun: (begun: BegunSecondFactor) => void }) {
  return (
    <>
      <p class="state off ring">
        <i class="shape" />
        {words.secondFactor.off}
      </p>
      <p>{words.secondFactor.why}</p>
      <Form
        submit={words.secondFactor.begin}
        problems={words.account.problems}
        send={async (said) => onBegun(await beginSecondFactor(said('password')))}
      >
        <CurrentPassword />
      </Form>
    </>
  )
}

function Begun({ begun: { secret, svg }, onOn }: { begun: BegunSecondFactor; onOn: (codes: readonly string[]) => void }) {
  return (
    <>
      <p>{words.secondFactor.scan}</p>
      <img class="qr" src={`data:image/svg+xml,${encodeURIComponent(svg)}`} alt={words.secondFactor.qr} />
      <p>{words.secondFactor.type}</p>
      <p class="secret">
        <code>{secret.match(/.{4}/g)!.join(' ')}</code>
        <CopyButton text={secret} what={words.secondFactor.secret} />
      </p>
      <Form
        takesFocus
        submit={words.secondFactor.confirm}
        problems={words.account.problems}
        send={async (said) => {
          onOn(await confirmSecondFactor(said('code')))
          await askWho()
        }}
      >
        <DigitsField />
      </Form>
    </>
  )
}

function Codes({ codes, onKept }: { codes: readonly string[]; onKept: () => void }) {
  const text = `${codes.join('\n')}\n`
  return (
    <>
      <p role="status" class="state ok">
        <i class="shape" />
        {words.secondFactor.on}
      </p>
      <p>{words.secondFactor.keep}</p>
      <ul class="codes" aria-label={words.secondFactor.codes}>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <p class="tools">
        <CopyButton text={text} what={words.secondFactor.codes} />
        <a class="button" download="mooring-recovery-codes.txt" href={`data:text/plain,${encodeURIComponent(text)}`}>
          {words.secondFactor.download}
        </a>
        <button type="button" class="main" onClick={onKept}>
          {words.secondFactor.kept}
        </button>
      </p>
    </>
  )
}

function On({ recoveryCodes }: { recoveryCodes: number }) {
  return (
    <>
      <p class="state ok">
        <i class="shape" />
        {words.secondFactor.on}
      </p>
      <p>{words.secondFactor.left(recoveryCodes)}</p>
      <p>{words.secondFactor.how}</p>
      <Form
        submit={words.secondFactor.end}
        problems={words.account.problems}
        send={async (said) => {
          await endSecondFactor(said('password'), said('code'))
          await askWho()
        }}
      >
        <CurrentPassword />
        <CodeField />
      </Form>
    </>
  )
}
