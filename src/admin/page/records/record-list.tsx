/** The table of records with its filter. Pure. */
import {
  SEARCH_OUTCOMES,
  SEARCH_STATUSES,
  type RecordFilter,
} from '../../../core/log/record-filter.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import { tokenCounts } from '../../../openai/usage/usage.ts'
import type { FoundRecords } from '../../../store/store.ts'
import { recordPath, withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { Notice, Time } from '../parts/figures.tsx'
import { ChoiceFilter, Filter, Pager, TextFilter } from '../parts/filter.tsx'
import { counted, milliseconds, usd, whole } from '../parts/format.ts'
import { TemplateLink, type Names } from '../parts/links.tsx'
import { Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { Outcome, OUTCOME_WORDS } from './outcome.tsx'

const PATH = `${BASE}/records`

/** What a person looks for; '' or absent in any field: all. */
export interface RecordsFilter extends RecordFilter {
  template?: string
  /** `next` of the page before */
  after?: number
}

const OUTCOMES = SEARCH_OUTCOMES.map((outcome): [string, string] => [
  outcome,
  outcome === 'none' ? 'no live route' : OUTCOME_WORDS[outcome],
])

const STATUSES = SEARCH_STATUSES.map((status): [string, string] => [status, status])

const Filters = ({ filter }: { filter: RecordsFilter }) => {
  const { template = '', tenant = '', outcome = '', status = '', conversation = '' } = filter
  return (
    <Filter path={PATH} isFiltered={template + tenant + outcome + status + conversation !== ''}>
      <TextFilter name="template" label="Template version" value={template} />
      <TextFilter name="tenant" label="Tenant" value={tenant} />
      <ChoiceFilter name="outcome" label="Route" value={outcome} options={OUTCOMES} />
      <ChoiceFilter name="status" label="Status" value={status} options={STATUSES} />
      <TextFilter name="conversation" label="Conversation of the record" value={conversation} />
    </Filter>
  )
}

const tokensOf = ({ usage }: StoredRecord): string => {
  if (usage === null) return ''
  const { input, output } = tokenCounts(usage)
  return `${input === null ? '–' : whole(input)} + ${output === null ? '–' : whole(output)}`
}

const COLUMNS = [
  { name: 'Time (UTC)' },
  { name: 'Model' },
  { name: 'Template' },
  { name: 'Route' },
  { name: 'Status', isNumber: true },
  { name: 'Duration', isNumber: true },
  { name: 'Tokens of prompt + answer', isNumber: true },
  { name: 'Charge', isNumber: true },
]

export interface RecordListProps {
  filter: RecordsFilter
  found: FoundRecords
  names: Names
  /** what the upstream charged; null: nothing, or not known */
  chargeOf: (record: StoredRecord) => number | null
}

const cellsOf = (record: StoredRecord, { names, chargeOf }: RecordListProps) => {
  const charge = chargeOf(record)
  return [
    <a href={recordPath(record.id)}>
      <Time at={record.at} />
    </a>,
    <Line text={record.model} chars={40} />,
    record.templateVersion === null ? (
      ''
    ) : (
      <TemplateLink version={record.templateVersion} names={names} />
    ),
    <Outcome route={record.route} />,
    String(record.status),
    milliseconds(record.durationMs),
    tokensOf(record),
    charge === null ? '' : usd(charge),
  ]
}

export const RecordList = (props: RecordListProps) => {
  const { filter, found } = props
  const { after, ...fields } = filter
  const next = found.next === null ? null : withQuery(PATH, { ...fields, after: found.next })
  return (
    <>
      <Filters filter={filter} />
      {found.isPartial && (
        <Notice tone="waits">
          The newest 5,000 records behind this place were read, and{' '}
          {counted(found.data.length, 'record')} of them {found.data.length === 1 ? 'fits' : 'fit'}.{' '}
          <a href={next!}>Go on</a>
        </Notice>
      )}
      <Table
        caption="Records, newest first"
        columns={COLUMNS}
        rows={found.data.map((record) => cellsOf(record, props))}
        empty={found.isPartial ? 'None of these fits.' : 'The log has no such record.'}
      />
      <Pager
        links={[
          ['Newest records', after === undefined ? null : withQuery(PATH, fields)],
          ['Next page', found.isPartial ? null : next],
        ]}
      />
    </>
  )
}
