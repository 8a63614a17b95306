/** The issued keys with their limits and what they spent. Keys are made and revoked by the CLI. */
import type { IssuedKey, Spend } from '../../../core/keys/issued-key.ts'
import { readSpend } from '../../../savings/key-spend.ts'
import type { AddView } from '../env.ts'
import { Badge, Time } from '../parts/figures.tsx'
import { usd, whole } from '../parts/format.ts'
import { Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { show } from '../show.tsx'

interface KeyRow {
  key: IssuedKey
  spent: Spend
  /** in the present period of its budget; null without a budget */
  budgetSpentUsd: number | null
}

const limit = (value: number | null): string => (value === null ? '' : whole(value))

const budgetCell = ({ key: { limits }, budgetSpentUsd }: KeyRow) =>
  limits.budget === null || budgetSpentUsd === null ? (
    ''
  ) : (
    <>
      {usd(budgetSpentUsd)} of {usd(limits.budget.usd)}
      <small>{limits.budget.period}</small>
    </>
  )

const cellsOf = (row: KeyRow) => {
  const { key, spent } = row
  return [
    <>
      <Line text={key.name} />
      <small>{key.id}</small>
    </>,
    key.revokedAt === null ? (
      <Badge tone="good">valid</Badge>
    ) : (
      <>
        <Badge tone="bad">revoked</Badge>
        <small>
          <Time at={key.revokedAt} />
        </small>
      </>
    ),
    key.tenant,
    key.limits.models?.join(', ') ?? 'all',
    limit(key.limits.requestsPerMinute),
    limit(key.limits.tokensPerMinute),
    budgetCell(row),
    whole(spent.requests),
    whole(spent.tokens),
    usd(spent.usd),
  ]
}

const COLUMNS = [
  { name: 'Key' },
  { name: 'State' },
  { name: 'Tenant' },
  { name: 'Models' },
  { name: 'Requests a minute', isNumber: true },
  { name: 'Tokens a minute', isNumber: true },
  { name: 'Budget', isNumber: true },
  { name: 'Requests', isNumber: true },
  { name: 'Tokens', isNumber: true },
  { name: 'Spent', isNumber: true },
]

export const addKeys: AddView = (app, { store, now }) => {
  app.get('/keys', async (context) => {
    const spend = await readSpend(store, now())
    const rows = (await store.keys.list()).map((key): KeyRow => {
      const { budget } = key.limits
      return {
        key,
        spent: spend(key.id, 'total'),
        budgetSpentUsd: budget && spend(key.id, budget.period).usd,
      }
    })
    const content = (
      <>
        <Table
          caption="Issued keys"
          columns={COLUMNS}
          rows={rows.map(cellsOf)}
          empty="No key was issued: callers use keys of the upstream."
        />
        <p>
          <code>promptintern keys create</code> and <code>keys revoke</code> change them.
        </p>
      </>
    )
    return show(context, { title: 'Keys', section: '/keys', content })
  })
}
