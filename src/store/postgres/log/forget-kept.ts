/** Kept responses that go with the log: forgotten with its records, pruned with its bodies. */
import type { CompiledSelection } from '../../../core/log/selection.ts'
import type { Transaction } from '../base/database.ts'

const ROWS_AT_A_TIME = 500

/** Forgets those that are selected, also without a record: the log drops records when it is overloaded. */
export const forgetKeptResponses = async (
  { $client }: Transaction,
  { fitsHead, fitsBody }: CompiledSelection
): Promise<void> => {
  for (let after = ''; ;) {
    const { rows } = await $client.query<{ id: string; tenant: string; request: Buffer }>(
      `select id, tenant, request from promptintern.kept_responses
        where id > $1 order by id limit $2`,
      [after, ROWS_AT_A_TIME]
    )
    const selected = rows.filter(
      ({ id, tenant, request }) => fitsHead({ id, tenant }) && fitsBody(request.toString('utf8'))
    )
    await $client.query('delete from promptintern.kept_responses where id = any($1::text[])', [
      selected.map(({ id }) => id),
    ])
    const last = rows[ROWS_AT_A_TIME - 1]
    if (last === undefined) return
    after = last.id
  }
}

/** @param before milliseconds since the epoch */
export const pruneKeptResponses = async (
  { $client }: Transaction,
  before: number
): Promise<void> => {
  await $client.query('delete from promptintern.kept_responses where at < $1', [before])
}
