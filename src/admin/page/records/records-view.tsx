/** Records of the log: the list, one of them, and its whole texts. */
import { templateNames } from '../../../lifecycle/find.ts'
import { SEARCH_OUTCOMES, SEARCH_STATUSES } from '../../../core/log/record-filter.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import { AppError } from '../../../errors.ts'
import type { AdminDeps } from '../../deps.ts'
import { chargeOf } from '../../reading/record-charge.ts'
import { isFull, type AddView, type PageContext } from '../env.ts'
import { plainText } from '../plain-text.ts'
import { show } from '../show.tsx'
import { RecordList, type RecordsFilter } from './record-list.tsx'
import { RecordView, type LoadedRecord } from './record-view.tsx'

const SECTION = '/records'
const ROWS = 50

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
    names: await templateNames(store),
  }
}

/** @throws AppError `forbidden` without the full role */
const requireFull = (context: PageContext): void => {
  if (!isFull(context))
    throw new AppError('forbidden', 'sign in with ADMIN_TOKEN to see texts of requests')
}

const oneOf = <Value extends string>(values: readonly Value[], text: string): Value | undefined =>
  values.find((value) => value === text)

const filterOf = ({ req }: PageContext): RecordsFilter => {
  const field = (name: string): string => (req.query(name) ?? '').trim()
  const [template, tenant, conversation] = ['template', 'tenant', 'conversation'].map(field)
  const outcome = oneOf(SEARCH_OUTCOMES, field('outcome'))
  const status = oneOf(SEARCH_STATUSES, field('status'))
  const after = Number.parseInt(field('after'), 10)
  return {
    ...(template !== '' && { template }),
    ...(tenant !== '' && { tenant }),
    ...(conversation !== '' && { conversation }),
    ...(outcome !== undefined && { outcome }),
    ...(status !== undefined && { status }),
    ...(after > 0 && { after }),
  }
}

export const addRecords: AddView = (app, deps) => {
  const { store, costUsd } = deps

  app.get('/records', async (context) => {
    const filter = filterOf(context)
    const { template, ...fields } = filter
    const found = await store.records.search({
      ...fields,
      ...(template !== undefined && { templateVersion: template }),
      limit: ROWS,
      bodies: false,
    })
    const content = (
      <RecordList
        filter={filter}
        found={found}
        names={await templateNames(store)}
        chargeOf={(record) => chargeOf(record, costUsd)}
      />
    )
    return show(context, { title: 'Records', section: SECTION, content })
  })

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
