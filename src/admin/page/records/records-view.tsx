/** Records of the log: the list, one of them, and its whole texts. */
import { templateNames } from '../../../lifecycle/find.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import { AppError } from '../../../errors.ts'
import type { AdminDeps } from '../../deps.ts'
import { chargeOf } from '../../../views/record.ts'
import type { AddView, PageApp, PageContext } from '../env.ts'
import { plainText, show } from '../show.tsx'
import { EXPORT_FORMATS, exported, streamOf } from './export.ts'
import { RecordList } from './record-list.tsx'
import { RecordView, type LoadedRecord } from './record-view.tsx'
import { filterOf, queryOf, type RecordsFilter } from '../../../views/record.ts'

const SECTION = '/records'
const ROWS = 25
/** Files that are read at the same time. */
const MAX_EXPORTS = 2

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

/** The records of a page with their bodies, as many as one read of the store restores. */
const textsOf = async (
  { store }: Pick<AdminDeps, 'store'>,
  found: StoredRecord[]
): Promise<Map<string, StoredRecord>> => {
  const whole = await store.records.byIds(found.map(({ id }) => id))
  return new Map(whole.map((record) => [record.id, record]))
}

/** What the address asks for. */
const filterIn = (context: PageContext): RecordsFilter =>
  filterOf((name) => context.req.query(name))

const addExports = (app: PageApp, { store, costUsd, now, onFault }: AdminDeps): void => {
  let running = 0

  const open = async (texts: AsyncGenerator<string>): Promise<ReadableStream<Uint8Array>> => {
    if (running >= MAX_EXPORTS)
      throw new AppError(
        'overloaded',
        `${MAX_EXPORTS} exports are already running: try again when one has ended`,
        {
          retryAfterSeconds: 10,
        }
      )
    running++
    try {
      return await streamOf(texts, (error) => {
        running--
        if (error !== undefined) onFault(error)
      })
    } catch (error) {
      running--
      throw error
    }
  }

  for (const [name, formatOf] of Object.entries(EXPORT_FORMATS))
    app.get(`/records/export.${name}`, async (context) => {
      const query = await queryOf(store, filterIn(context))
      const format = formatOf({
        chargeOf: (record) => chargeOf(record, costUsd),
      })
      const day = new Date(now()).toISOString().slice(0, 10)
      context.header('content-type', format.type)
      context.header('content-disposition', `attachment; filename="records-${day}.${name}"`)
      return context.req.method === 'HEAD'
        ? context.body(null)
        : context.body(await open(exported(store, query, format)))
    })
}

export const addRecords: AddView = (app, deps) => {
  const { store, costUsd } = deps

  app.get('/records', async (context) => {
    const filter = filterIn(context)
    const found = await store.records.search({
      ...(await queryOf(store, filter)),
      limit: ROWS,
      bodies: false,
    })
    const content = (
      <RecordList
        filter={filter}
        found={found}
        texts={await textsOf(deps, found.data)}
        names={await templateNames(store)}
        chargeOf={(record) => chargeOf(record, costUsd)}
      />
    )
    return show(context, { title: 'Records', section: SECTION, content })
  })

  addExports(app, deps)

  app.get('/records/:id', async (context) => {
    const { id } = context.req.param()
    const loaded = await loadRecord(deps, id)
    const content = <RecordView loaded={loaded} />
    return show(context, { title: `Record ${id.slice(0, 40)}`, section: SECTION, content })
  })

  app.get('/records/:id/request.txt', async (context) => {
    const { id, request } = await recordOf(deps, context.req.param('id'))
    if (request === '') throw new AppError('not-found', `record ${id} has lost its request`)
    return plainText(context, request, `${id}-request.txt`)
  })

  app.get('/records/:id/response.txt', async (context) => {
    const { id, response } = await recordOf(deps, context.req.param('id'))
    if (response === null) throw new AppError('not-found', `record ${id} has no response`)
    return plainText(context, response, `${id}-response.txt`)
  })
}
