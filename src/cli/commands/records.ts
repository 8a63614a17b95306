import { Command, Option } from 'commander'
import type { StoredRecord } from '../../core/log/record.ts'
import {
  SEARCH_OUTCOMES,
  SEARCH_STATUSES,
  type RecordFilter,
} from '../../core/log/record-filter.ts'
import type { TimeSpan } from '../../core/days.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { templateOf, withStore } from '../context.ts'
import { timeSpan, wholeNumber } from '../options.ts'
import { print, table, type OutputOptions } from '../output.ts'
import { readTitles, type Titles } from '../titles.ts'

interface RecordsOptions extends OutputOptions, Omit<RecordFilter, 'from' | 'until'> {
  template?: string
  from?: TimeSpan
  to?: TimeSpan
  limit: number
}

/** A record can match a template that had no route at its time. */
const outcomeText = ({ route, templateVersion, bought }: StoredRecord): string => {
  if (bought !== undefined) return 'bought'
  if (route !== null) return route.outcome
  return templateVersion === null ? 'unmatched' : 'matched'
}

const rowOf = (record: StoredRecord): (string | number)[] => [
  record.id,
  new Date(record.at).toISOString().slice(5, 19).replace('T', ' '),
  record.status,
  outcomeText(record),
  Math.round(record.durationMs),
]

const listText = (records: StoredRecord[]): string =>
  records.length === 0
    ? 'no record'
    : table([['record', 'time (UTC)', 'status', 'route', 'ms'], ...records.map(rowOf)])

const recordOf = async (store: Store, id: string): Promise<StoredRecord> => {
  const [record] = await store.records.byIds([id])
  if (record === undefined)
    throw new AppError(
      'not-found',
      `there is no record ${id}: promptintern records lists the newest`
    )
  return record
}

const recordText = (record: StoredRecord, titles: Titles): string => {
  const { id, at, tenant, model, path, status, durationMs, templateVersion, usage } = record
  return [
    table([
      ['record', 'time', 'tenant', 'model', 'path', 'status', 'ms', 'template', 'route', 'tokens'],
      [
        id,
        new Date(at).toISOString(),
        tenant,
        model,
        path,
        status,
        durationMs.toFixed(1),
        templateVersion === null ? 'none' : titles.title(templateVersion),
        outcomeText(record),
        usage === null ? 'unknown' : `${usage.prompt_tokens} + ${usage.completion_tokens}`,
      ],
    ]),
    `request:\n${record.request}`,
    `answer:\n${record.response ?? 'none'}`,
  ].join('\n\n')
}

/** Searches on where one search may read no more records. */
const list = async (
  store: Store,
  { template, limit, from, to, json: _json, ...filter }: RecordsOptions
): Promise<StoredRecord[]> => {
  const found: StoredRecord[] = []
  const query = {
    ...filter,
    bodies: false,
    ...(from !== undefined && { from: from.from }),
    ...(to !== undefined && { until: to.until }),
    ...(template !== undefined && {
      templateVersion: (await templateOf(store, template)).version,
    }),
  }
  for (let after: { after?: number } = {}; ;) {
    const page = await store.records.search({ ...query, ...after, limit: limit - found.length })
    found.push(...page.data)
    if (page.next === null || found.length === limit) return found
    after = { after: page.next }
  }
}

const records = (id: string | undefined, options: RecordsOptions): Promise<void> =>
  withStore(async (store) => {
    if (id !== undefined) {
      const record = await recordOf(store, id)
      return print(options.json ? record : recordText(record, await readTitles(store)))
    }
    const found = await list(store, options)
    print(options.json ? found.map(withoutBodies) : listText(found))
  })

const withoutBodies = ({ request: _request, response: _response, ...row }: StoredRecord) => row

export const recordsCommand = (): Command =>
  new Command('records')
    .description('list the newest records of the log, or show one with its request and answer')
    .argument('[record]', 'id of a record')
    .option(
      '--template <template>',
      'only records of this template: its version, or the start of it'
    )
    .option('--tenant <tenant>', 'only records of this tenant')
    .addOption(
      new Option(
        '--outcome <outcome>',
        'only requests with this outcome at a live template; none: no live template matched; bought: a move sent it to another model'
      ).choices(SEARCH_OUTCOMES)
    )
    .addOption(
      new Option('--status <class>', 'only records with a status of this class').choices(
        SEARCH_STATUSES
      )
    )
    .option('--conversation <record>', 'only this record and the other turns of its conversation')
    .option('--text <text>', 'only records with this text in a user message or in the answer')
    .option('--from <time>', 'only records since this day or minute, in UTC', timeSpan)
    .option('--to <time>', 'only records until the end of this day or minute, in UTC', timeSpan)
    .option('--limit <count>', 'number of records', wholeNumber(1), 20)
    .option('--json', 'print JSON')
    .action(records)
