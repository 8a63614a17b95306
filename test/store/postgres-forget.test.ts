/** What a forgetting in PostgreSQL leaves to the server. */
import { expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import { MARKED } from '../kit/store/marked-records.ts'
import { describePostgres, emptyDatabase, execute } from '../kit/postgres/postgres.ts'

describePostgres('forgetting in PostgreSQL', () => {
  it('vacuums the tables that it has touched', async () => {
    const server = await emptyDatabase()
    const store = await openLocalStore({ server, poolSize: 4 })
    await store.records.append(batchOf(MARKED))
    await store.records.forget({ recordIds: ['record-0'] })
    await store.records.scrub()
    await store.close()
    const vacuumed = await execute(
      server,
      `select relname as name from pg_stat_user_tables
        where schemaname = 'promptintern' and last_vacuum is not null order by relname`
    )
    expect(vacuumed.map(({ name }) => name)).toEqual([
      'bodies',
      'dictionaries',
      'evaluations',
      'feedback',
      'kept_responses',
      'pairs',
      'records',
      'snapshots',
    ])
  })
})
