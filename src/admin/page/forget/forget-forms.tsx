/** The two forms of forgetting, and what a person wrote in them. Pure. */
import type { Selection } from '../../../core/log/selection.ts'
import { AppError } from '../../../errors.ts'
import { BASE } from '../env.ts'
import { Action, TOKEN_FIELD } from '../parts/form.tsx'

export const PATH = `${BASE}/forget`
const LOOK = `${PATH}/look`
const MAX_RECORD_IDS = 1_000

/** As a person writes them. */
export interface Fields {
  tenant: string
  user: string
  /** ids, apart by spaces, commas or lines */
  records: string
}

export const fieldsOf = (field: (name: keyof Fields) => string): Fields => ({
  tenant: field('tenant').trim(),
  user: field('user').trim(),
  records: field('records').trim(),
})

/** @throws AppError `invalid-request` for too many ids */
export const selectionOf = ({ tenant, user, records }: Fields): Selection => {
  const recordIds = records.split(/[\s,]+/).filter((id) => id !== '')
  if (recordIds.length > MAX_RECORD_IDS)
    throw new AppError('invalid-request', `give at most ${MAX_RECORD_IDS} record ids at once`)
  return {
    ...(recordIds.length === 0 ? {} : { recordIds }),
    ...(tenant === '' ? {} : { tenant }),
    ...(user === '' ? {} : { user }),
  }
}

export const SelectionForm = ({ fields, formToken }: { fields: Fields; formToken: string }) => (
  <form method="post" action={LOOK} class="stacked">
    <p>Selects the records that match every field you fill in.</p>
    <label for="tenant">Tenant</label>
    <input id="tenant" name="tenant" value={fields.tenant} autocomplete="off" />
    <label for="user">
      User: <code>user</code>, <code>safety_identifier</code> or <code>metadata.user_id</code> of
      the request
    </label>
    <input id="user" name="user" value={fields.user} autocomplete="off" />
    <label for="records">Record ids, separated by spaces, commas or line breaks</label>
    <textarea id="records" name="records" rows={4}>
      {fields.records}
    </textarea>
    <input type="hidden" name={TOKEN_FIELD} value={formToken} />
    <button>Preview the deletion</button>
    <p>
      The preview deletes nothing. The search for a user reads every request and may take minutes.
    </p>
  </form>
)

export const ForgetAction = ({ fields, formToken }: { fields: Fields; formToken: string }) => (
  <Action
    verb="Delete these records"
    says={
      'Deletes the records and all copies of their text. This cannot be undone. ' +
      'Trainings that use them are stopped.'
    }
    path={PATH}
    formToken={formToken}
    reason="none"
    tone="bad"
  >
    {(Object.keys(fields) as (keyof Fields)[]).map((name) => (
      <input type="hidden" name={name} value={fields[name]} />
    ))}
    <label for="retire">
      <input id="retire" type="checkbox" name="retire" value="yes" /> retire: also delete the loras
      that were trained on them, and their routes
    </label>
  </Action>
)
