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
    <p>Records are selected that match all fields that are filled in.</p>
    <label for="tenant">Tenant</label>
    <input id="tenant" name="tenant" value={fields.tenant} autocomplete="off" />
    <label for="user">
      User: <code>user</code>, <code>safety_identifier</code> or <code>metadata.user_id</code> of
      the request
    </label>
    <input id="user" name="user" value={fields.user} autocomplete="off" />
    <label for="records">Record ids, apart by spaces, commas or lines</label>
    <textarea id="records" name="records" rows={4}>
      {fields.records}
    </textarea>
    <input type="hidden" name={TOKEN_FIELD} value={formToken} />
    <button>Look what would go</button>
    <p>Nothing is deleted yet. A user is looked for in every request, which may take minutes.</p>
  </form>
)

export const ForgetAction = ({ fields, formToken }: { fields: Fields; formToken: string }) => (
  <Action
    verb="Delete these records"
    says={
      'The records and all copies of their text are deleted, and it cannot be undone. What is in training ' +
      'with them ends.'
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
      <input id="retire" type="checkbox" name="retire" value="yes" /> retire: also take back the
      routes of loras that were trained on them, and delete the loras
    </label>
  </Action>
)
