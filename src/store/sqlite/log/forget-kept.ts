/** Kept responses that go with the log: forgotten with its records, pruned with its bodies. */
import type { CompiledSelection } from '../../../core/log/selection.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'

const ROWS_AT_A_TIME = 500

/** Forgets those that are selected, also without a record: the log drops records when it is overloaded. */
export const forgetKeptResponses = async (
  tx: SqlTransaction,
  { fitsHead, fitsBody }: CompiledSelection
): Promise<void> => {
  for (let after = ''; ;) {
    const { rows } = await tx.execute({
      sql: 'select id, tenant, request from kept_responses where id > ? order by id limit ?',
      args: [after, ROWS_AT_A_TIME],
    })
    const selected = rows.filter(
      ({ id, tenant, request }) =>
        fitsHead({ id: id as string, tenant: tenant as string }) && fitsBody(request as string)
    )
    await executeIn(
      tx,
      'delete from kept_responses where id in',
      selected.map(({ id }) => id as string)
    )
    const last = rows[ROWS_AT_A_TIME - 1]
    if (last === undefined) return
    after = last['id'] as string
  }
}

/** @param before milliseconds since the epoch */
export const pruneKeptResponses = async (tx: SqlTransaction, before: number): Promise<void> => {
  await tx.execute({ sql: 'delete from kept_responses where at < ?', args: [before] })
}
