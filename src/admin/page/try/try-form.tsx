/** The form of a question to a live route. Pure. */
import type { Filling } from '../../../core/template/fill.ts'
import type { Slot } from '../../../core/template/template.ts'
import { recordPath } from '../address.ts'
import { BASE } from '../env.ts'
import { TOKEN_FIELD } from '../parts/form.tsx'
import { visibleText } from '../parts/visible-text.ts'
import type { Prepared } from './load-try.ts'

export const PATH = `${BASE}/try`

/** Names of the fields of slots begin with it. */
export const SLOT_FIELD = 'slot '

/** A browser takes away a line break that a field begins with (HTML, 13.1.2.5). */
const asTyped = (text: string): string => `\n${text}`

const SlotField = ({ slot, value }: { slot: Slot; value: string }) => {
  const id = `slot-${slot.name}`
  const name = `${SLOT_FIELD}${slot.name}`
  return (
    <>
      <label for={id}>{visibleText(slot.name)}</label>
      {slot.type === 'enum' && slot.values !== undefined ? (
        <select id={id} name={name}>
          {slot.values.map((each) => (
            <option value={each} selected={each === value}>
              {visibleText(each)}
            </option>
          ))}
        </select>
      ) : slot.multiline ? (
        <textarea id={id} name={name} rows={3}>
          {asTyped(value)}
        </textarea>
      ) : (
        <input id={id} name={name} value={value} autocomplete="off" />
      )}
    </>
  )
}

const Source = ({ recordId }: Pick<Prepared, 'recordId'>) => (
  <p>
    {recordId === null ? (
      'The log has no request of this template with its text, so fields beside the messages may be missing.'
    ) : (
      <>
        The other fields are copied from{' '}
        <a href={recordPath(recordId)}>the newest request in the log</a>.
      </>
    )}
  </p>
)

export interface TryFormProps {
  prepared: Prepared
  filling: Filling
  formToken: string
}

export const TryForm = ({ prepared, filling, formToken }: TryFormProps) => (
  <form method="post" action={PATH} class="stacked">
    <Source recordId={prepared.recordId} />
    {prepared.slots.map((slot) => (
      <SlotField slot={slot} value={filling.slots[slot.name] ?? ''} />
    ))}
    <label for="query">Question</label>
    <textarea id="query" name="query" rows={4} required>
      {asTyped(filling.query)}
    </textarea>
    <label for="key">API key of your application. It is sent once and not stored.</label>
    <input id="key" name="key" type="password" autocomplete="off" required />
    <input type="hidden" name="template" value={prepared.template.version} />
    <input type="hidden" name={TOKEN_FIELD} value={formToken} />
    <button>Ask both: the upstream charges one or two answers</button>
  </form>
)
