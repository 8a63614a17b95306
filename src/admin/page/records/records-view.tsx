/** Records of the log: the list, one of them, and its whole texts. */
import type { StoredRecord } from '../../../core/log/record.ts'
import { AppError } from '../../../errors.ts'
import type { AdminDeps } from '../../deps.ts'
import { chargeOf } from '../../reading/record-charge.ts'
import { isFull, type AddView, type PageContext } from '../env.ts'
import { plainText } from '../plain-text.ts'
import { show } from '../show.tsx'
import { RecordView, type LoadedRecord } from './record-view.tsx'

const SECTION = '/records'

const recordOf = async ({ store }: Pick<AdminDeps, 'store'>, id: string): Promise<StoredRecord> => {
  const [record] = await store.records.byIds([id])
  if (record === undefined)
    throw new AppError(
      'not-found',
      `there is no record ${id}: it never existed, has expired, or was forgotten`
    )
  return record
}

const loadRecord = async (deps: AdminDeps, id: string): Promise<LoadedRecord> => {
  const { store, costUsd } = deps
  const record = await recordOf(deps, id)
  return {
    record,
    chargeUsd: chargeOf(record, costUsd),
    feedback: await store.feedback.ofRecord(id),
    pair: await store.pairs.ofRecord(id),
  }
}

/** @throws AppError `forbidden` without the full role */
const requireFull = (context: PageContext): void => {
  if (!isFull(context))
    throw new AppError('forbidden', 'sign in with ADMIN_TOKEN to see texts of requests')
}

export const addRecords: AddView = (app, deps) => {
  app.get('/records/:id', async (context) => {
    const { id } = context.req.param()
    const loaded = await loadRecord(deps, id)
    const content = <RecordView loaded={loaded} isFull={isFull(context)} />
    return show(context, { title: `Record ${id.slice(0, 40)}`, section: SECTION, content })
  })

  app.get('/records/:id/request.txt', async (context) => {
    requireFull(context)
    const { id, request } = await recordOf(deps, context.req.param('id'))
    if (request === '') throw new AppError('not-found', `record ${id} has lost its request`)
    return plainText(context, request, `${id}-request.txt`)
  })

  app.get('/records/:id/response.txt', async (context) => {
    requireFull(context)
    const { id, response } = await recordOf(deps, context.req.param('id'))
    if (response === null) throw new AppError('not-found', `record ${id} has no response`)
    return plainText(context, response, `${id}-response.txt`)
  })
}
