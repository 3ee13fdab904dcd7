// A certificate for a device by the hub's own CA. The private key is shown once, to be downloaded.
import { useSignal } from '@preact/signals'
import { makeCertificate } from '../../api/settings.ts'
import { settingsWords } from '../../words/settings.ts'
import { Field, Form } from '../form.tsx'

const { certificates: said } = settingsWords

interface Made {
  readonly device: string
  readonly certificate: string
  readonly key: string
}

export function CertificateMaker({ onMade }: { onMade: () => void }) {
  const made = useSignal<Made | null>(null)
  if (made.value !== null) {
    const { device, certificate, key } = made.value
    return (
      <div class="secret" role="status">
        <p>{said.made(device)}</p>
        <p>
          <File name={`${device}.crt`} text={certificate} label={said.save(said.certificate.toLowerCase())} />
          <File name={`${device}.key`} text={key} label={said.save(said.key.toLowerCase())} />
          <button
            type="button"
            onClick={() => {
              made.value = null
            }}
          >
            {settingsWords.kept}
          </button>
        </p>
      </div>
    )
  }
  return (
    <div class="make">
      <h3>{said.add}</h3>
      <Form
        submit={said.addDo}
        problems={{}}
        send={async (entry) => {
          const device = entry('device').trim()
          const { certificate, key } = await makeCertificate(device, Number(entry('days')))
          made.value = { device, certificate, key }
          onMade()
        }}
      >
        <Field label={said.device} name="device" autocomplete="off" maxLength={128} />
        <Field label={said.days} name="days" type="number" min={1} defaultValue="397" />
      </Form>
    </div>
  )
}

function File({ name, text, label }: { name: string; text: string; label: string }) {
  return (
    <a class="button" download={name} href={`data:application/x-pem-file,${encodeURIComponent(text)}`}>
      {label}
    </a>
  )
}
