/** The form of a new key, and what a person wrote in it. Pure. */
import type { BodyData } from 'hono/utils/body'
import { BUDGET_PERIODS } from '../../../core/keys/budget.ts'
import type { KeyLimits } from '../../../core/keys/issued-key.ts'
import { budgetOf, MAX_KEY_NAME_CHARS, modelNames } from '../../../core/keys/new-key.ts'
import { AppError } from '../../../errors.ts'
import { BASE } from '../env.ts'
import { formText } from '../form-text.ts'
import { TOKEN_FIELD } from '../parts/form.tsx'

export const PATH = `${BASE}/keys`

const amountIn = (form: BodyData, name: string, isWhole: boolean): number | undefined => {
  const text = formText(form, name).trim()
  if (text === '') return undefined
  const amount = Number(text)
  if (!(amount > 0) || !Number.isFinite(amount) || (isWhole && !Number.isSafeInteger(amount)))
    throw new AppError(
      'invalid-request',
      `${name}: write ${isWhole ? 'a whole number of at least 1' : 'an amount over 0'}, or leave it empty`
    )
  return amount
}

const given = (form: BodyData, name: string): string | undefined =>
  formText(form, name).trim() || undefined

/** @throws AppError `invalid-request` for a field that is none */
export const wantedKey = (
  form: BodyData
): { name: string; tenant: string | undefined; limits: KeyLimits } => {
  const models = modelNames(formText(form, 'models'))
  return {
    name: formText(form, 'name').trim(),
    tenant: given(form, 'tenant'),
    limits: {
      models: models.length === 0 ? null : models,
      requestsPerMinute: amountIn(form, 'requests-per-minute', true) ?? null,
      tokensPerMinute: amountIn(form, 'tokens-per-minute', true) ?? null,
      budget: budgetOf(amountIn(form, 'budget-usd', false), given(form, 'budget-period')),
    },
  }
}

const Field = ({
  name,
  label,
  isWhole,
}: {
  name: string
  label: string
  /** undefined: a text */
  isWhole?: boolean
}) => (
  <div>
    <label for={name}>{label}</label>
    {isWhole === undefined ? (
      <input id={name} name={name} autocomplete="off" />
    ) : (
      <input id={name} name={name} type="number" min={isWhole ? 1 : 0} step={isWhole ? 1 : 'any'} />
    )}
  </div>
)

export const KeyForm = ({ formToken }: { formToken: string }) => (
  <form method="post" action={PATH} class="panel">
    <div class="fields">
      <div>
        <label for="name">Name, for people</label>
        <input id="name" name="name" maxlength={MAX_KEY_NAME_CHARS} required autocomplete="off" />
      </div>
      <Field name="tenant" label="Tenant (empty: its own)" />
      <Field name="models" label="Models, such as gpt-4o-mini, o4* (empty: all)" />
      <Field name="requests-per-minute" label="Requests a minute" isWhole />
      <Field name="tokens-per-minute" label="Tokens a minute" isWhole />
      <Field name="budget-usd" label="Budget, USD" isWhole={false} />
      <div>
        <label for="budget-period">Budget period (UTC)</label>
        <select id="budget-period" name="budget-period">
          {['', ...BUDGET_PERIODS].map((period) => (
            <option value={period}>{period === '' ? 'no budget' : period}</option>
          ))}
        </select>
      </div>
      <input type="hidden" name={TOKEN_FIELD} value={formToken} />
      <button>Create the key</button>
    </div>
  </form>
)
