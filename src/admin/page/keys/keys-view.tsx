/** The issued keys with their limits and what they spent; a new one is shown once. */
import type { BodyData } from 'hono/utils/body'
import {
  BUDGET_PERIODS,
  budgetNote,
  type IssuedKey,
  type KeyLimits,
} from '../../../core/keys/issued-key.ts'
import { budgetOf, MAX_KEY_NAME_CHARS, modelNames, newKey } from '../../../core/keys/new-key.ts'
import { AppError } from '../../../errors.ts'
import { BASE, type AddView, type PageContext } from '../env.ts'
import { formText } from '../form-text.ts'
import { TOKEN_FIELD, Action } from '../parts/form.tsx'
import { readKeySpends, type KeySpend } from '../../../savings/key-spend.ts'
import { Badge, Notice, Time } from '../parts/figures.tsx'
import { usd, whole } from '../../../core/figure-text.ts'
import { Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { show } from '../show.tsx'

const PATH = `${BASE}/keys`

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
const wantedKey = (
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

const KeyForm = ({ formToken }: { formToken: string }) => (
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

const perMinute = ({ limits }: IssuedKey): string =>
  [
    limits.requestsPerMinute === null ? '' : `${whole(limits.requestsPerMinute)} requests`,
    limits.tokensPerMinute === null ? '' : `${whole(limits.tokensPerMinute)} tokens`,
  ]
    .filter((text) => text !== '')
    .join(', ')

const budgetCell = ({ key: { limits }, budgetSpentUsd }: KeySpend) =>
  limits.budget === null || budgetSpentUsd === null ? (
    ''
  ) : (
    <>
      {usd(budgetSpentUsd)} of {usd(limits.budget.usd)}
      <small>{limits.budget.period}</small>
    </>
  )

const revokePath = (id: string): string => `${PATH}/${encodeURIComponent(id)}/revoke`

const stateCell = ({ id, name, revokedAt }: IssuedKey, formToken: string) => {
  if (revokedAt !== null)
    return (
      <>
        <Badge tone="bad">revoked</Badge>
        <small>
          <Time at={revokedAt} />
        </small>
      </>
    )
  return (
    <Action
      verb="Revoke"
      says={
        <>
          Requests with <Line text={name} /> are refused within two seconds. This cannot be undone.
        </>
      }
      path={revokePath(id)}
      formToken={formToken}
      reason="none"
      tone="bad"
    />
  )
}

const cellsOf = (row: KeySpend, formToken: string) => {
  const { key, spent } = row
  return [
    <>
      <Line text={key.name} />
      <small>{key.id}</small>
    </>,
    stateCell(key, formToken),
    key.tenant,
    key.limits.models?.join(', ') ?? 'all',
    perMinute(key),
    budgetCell(row),
    whole(spent.requests),
    whole(spent.tokens),
    usd(spent.usd),
  ]
}

const COLUMNS = [
  'Key',
  { name: 'State', class: 'end' },
  { name: 'Tenant', class: 'line' },
  { name: 'Models', class: 'line' },
  { name: 'A minute at most', class: 'line' },
  { name: 'Budget', isNumber: true, class: 'line' },
  { name: 'Requests', isNumber: true, class: 'more' },
  { name: 'Tokens', isNumber: true, class: 'more' },
  { name: 'Spent', isNumber: true, class: 'more' },
]

interface Created {
  issued: IssuedKey
  secret: string
  /** null: nothing to say of its budget */
  note: string | null
}

const NewKey = ({ issued, secret, note }: Created) => (
  <>
    <Notice tone="good">
      The key of <Line text={issued.name} /> is below. It is not stored and cannot be shown again.
      Running proxies accept it within two seconds.
    </Notice>
    <pre tabindex={0} data-copy>
      {secret}
    </pre>
    {note !== null && <Notice tone="waits">{note}</Notice>}
  </>
)

export const addKeys: AddView = (app, deps) => {
  const { store, now, randomBytes, prices, settings } = deps

  const areAsked = (): boolean =>
    settings().some(({ name, value }) => name === 'ACCESS' && value === 'keys')

  const showKeys = async (context: PageContext, created: Created | null) => {
    const formToken = context.get('formToken')
    const content = (
      <>
        {created !== null && <NewKey {...created} />}
        {!areAsked() && (
          <Notice tone="plain">
            ACCESS is not keys: callers use keys of the upstream, and issued keys are not required.
          </Notice>
        )}
        <Table
          caption="Issued keys"
          class="rows"
          columns={COLUMNS}
          rows={(await readKeySpends(store, now())).map((row) => cellsOf(row, formToken))}
          empty="No key was issued."
        />
        <h2>A new key</h2>
        <KeyForm formToken={formToken} />
      </>
    )
    return show(context, { title: 'Keys', section: '/keys', content })
  }

  app.get('/keys', (context) => showKeys(context, null))

  app.post('/keys', async (context) => {
    const wanted = wantedKey(await context.req.parseBody())
    const { key, secret } = newKey(wanted, { now: now(), randomBytes })
    await store.keys.create(key)
    const note = budgetNote(key.limits, prices)
    return showKeys(context, { issued: key, secret, note })
  })

  app.post('/keys/:id/revoke', async (context) => {
    await store.keys.revoke(context.req.param('id'), now())
    return context.redirect(PATH, 303)
  })
}
