// Publishes one message; the hub's refusal stands where it was asked.
import { useSignal } from '@preact/signals'
import { publish } from '../api/messages.ts'
import { clockTime } from '../format.ts'
import { messagesWords } from '../words/messages.ts'
import { Field, Form } from './form.tsx'

const { send: says } = messagesWords

/** `topic`: what stands in the field at first. */
export function PublishForm({ topic }: { topic: string }) {
  const done = useSignal('')
  return (
    <>
      <Form
        submit={says.submit}
        takesFocus
        problems={{}}
        send={async (said) => {
          done.value = ''
          const to = said('topic')
          await publish({ topic: to, text: said('payload'), qos: Number(said('qos')), retain: said('retain') === 'on' })
          done.value = says.done(to, clockTime(Date.now()))
        }}
      >
        <Field label={says.topic} name="topic" defaultValue={topic} autocomplete="off" />
        <label>
          {says.payload}
          <textarea name="payload" rows={8} spellcheck={false} autocomplete="off" />
        </label>
        <div class="tools spread">
          <label class="inline">
            {says.qos}
            <select name="qos">
              <option>0</option>
              <option selected>1</option>
              <option>2</option>
            </select>
          </label>
          <label class="inline">
            <input type="checkbox" name="retain" />
            {says.retain}
          </label>
        </div>
      </Form>
      <p role="status" class="quiet">
        {done.value}
      </p>
    </>
  )
}
