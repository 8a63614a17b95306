/** The table of records with its filter. Pure. */
import { SEARCH_OUTCOMES, SEARCH_STATUSES } from '../../../core/log/record-filter.ts'
import { BASE } from '../env.ts'
import { ChoiceFilter, Filter, TextFilter, TimeFilter, Pager } from '../parts/filter.tsx'
import { OUTCOME_WORDS, Outcome } from './outcome.tsx'
import type { RecordsFilter } from '../../../views/record.ts'
import { userTexts } from '../../../core/log/record-bodies.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import { tokenCounts } from '../../../openai/usage/usage.ts'
import type { FoundRecords } from '../../../store/store.ts'
import { recordPath, withQuery } from '../address.ts'
import { Badge, Notice, Time } from '../parts/figures.tsx'
import { counted, milliseconds, usd, whole } from '../../../core/figure-text.ts'
import { TemplateLink, type Names } from '../links.tsx'
import { Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { MAX_EXPORTED } from './export.ts'

const PATH = `${BASE}/records`

const OUTCOMES = SEARCH_OUTCOMES.map((outcome): [string, string] => [
  outcome,
  outcome === 'none' ? 'no live route' : OUTCOME_WORDS[outcome],
])

const STATUSES = SEARCH_STATUSES.map((status): [string, string] => [status, status])

/** As the field of a browser takes it. @param ofDay where only a day is given */
const minuteOf = (text: string, ofDay: string): string =>
  text.length === 10 ? `${text}T${ofDay}` : text

const More = ({ filter }: { filter: RecordsFilter }) => {
  const { template = '', tenant = '', status = '', conversation = '' } = filter
  const { from = '', to = '' } = filter
  return (
    <details open={template + tenant + status + conversation + from + to !== ''}>
      <summary>Time, template, tenant, status, conversation</summary>
      <div class="fields">
        <TimeFilter name="from" label="From (UTC)" value={minuteOf(from, '00:00')} />
        <TimeFilter name="to" label="To (UTC)" value={minuteOf(to, '23:59')} />
        <TextFilter name="template" label="Template version" value={template} />
        <TextFilter name="tenant" label="Tenant" value={tenant} />
        <ChoiceFilter name="status" label="Status" value={status} options={STATUSES} />
        <TextFilter name="conversation" label="Conversation of the record" value={conversation} />
      </div>
    </details>
  )
}

const Filters = ({ filter }: { filter: RecordsFilter }) => {
  const { text = '', outcome = '', after: _after, ...others } = filter
  return (
    <Filter path={PATH} isFiltered={text + outcome !== '' || Object.keys(others).length > 0}>
      <TextFilter name="text" label="Text of question or answer" value={text} />
      <ChoiceFilter name="outcome" label="Route" value={outcome} options={OUTCOMES} />
      <More filter={filter} />
    </Filter>
  )
}

/** Of a preview: about a line of the table. */
const PREVIEW_CHARS = 90

interface RecordListProps {
  filter: RecordsFilter
  found: FoundRecords
  /** the same records with their texts, by id */
  texts: ReadonlyMap<string, StoredRecord>
  names: Names
  /** what the upstream charged; null: nothing, or not known */
  chargeOf: (record: StoredRecord) => number | null
}

const tokensOf = ({ usage }: StoredRecord): string => {
  if (usage === null) return ''
  const { input, output } = tokenCounts(usage)
  return `${input === null ? '–' : whole(input)} + ${output === null ? '–' : whole(output)}`
}

/** On a narrow screen a row is two lines: time and outcome, then the question; the record has the rest. */
const COLUMNS = [
  'Time (UTC)',
  { name: 'Route', class: 'end' },
  { name: 'Question, template, model', class: 'line' },
  { name: 'Status', isNumber: true, class: 'aside' },
  { name: 'Duration', isNumber: true, class: 'more' },
  { name: 'Tokens', isNumber: true, class: 'more' },
  { name: 'Charge', isNumber: true, class: 'more' },
]

/** The user's last text; nothing for a body that the log no longer has. */
const Preview = ({ record }: { record: StoredRecord | undefined }) => {
  const text = record && userTexts(record).at(-1)
  return text === undefined ? null : (
    <span class="preview">
      <Line text={text} chars={PREVIEW_CHARS} />
    </span>
  )
}

const Source = ({ record, names }: { record: StoredRecord; names: Names }) => (
  <small>
    {record.templateVersion !== null && (
      <>
        <TemplateLink version={record.templateVersion} names={names} />,{' '}
      </>
    )}
    <Line text={record.model} chars={40} />
  </small>
)

const statusCell = (status: number) =>
  status < 400 ? String(status) : <Badge tone={status < 500 ? 'waits' : 'bad'}>{status}</Badge>

const cellsOf = (record: StoredRecord, { names, texts, chargeOf }: RecordListProps) => {
  const charge = chargeOf(record)
  return [
    <a href={recordPath(record.id)}>
      <Time at={record.at} />
    </a>,
    <Outcome record={record} isShort />,
    <>
      <Preview record={texts.get(record.id)} />
      <Source record={record} names={names} />
    </>,
    statusCell(record.status),
    milliseconds(record.durationMs),
    tokensOf(record),
    charge === null ? '' : usd(charge),
  ]
}

const Searched = ({ found, next }: { found: FoundRecords; next: string }) => (
  <Notice tone="waits">
    Searched the newest {whole(found.searched)} records from here on;{' '}
    {found.data.length === 1 ? 'one of them matches' : `${whole(found.data.length)} of them match`}.{' '}
    <a href={next}>Continue</a>
  </Notice>
)

const Exports = ({ filter: { after: _after, ...fields } }: Pick<RecordListProps, 'filter'>) => (
  <p>
    Export {Object.keys(fields).length === 0 ? 'the log' : 'the matching records'}, at most{' '}
    {counted(MAX_EXPORTED, 'record')}:{' '}
    {(['csv', 'jsonl'] as const).map((format) => (
      <>
        <a href={withQuery(`${PATH}/export.${format}`, fields)} download hx-boost="false">
          {format.toUpperCase()}
        </a>{' '}
      </>
    ))}
  </p>
)

export const RecordList = (props: RecordListProps) => {
  const { filter, found } = props
  const { after, ...fields } = filter
  const next = found.next === null ? null : withQuery(PATH, { ...fields, after: found.next })
  return (
    <>
      <Filters filter={filter} />
      {found.isPartial && <Searched found={found} next={next!} />}
      <Table
        caption="Records, newest first; tokens of prompt + answer"
        class="rows records"
        columns={COLUMNS}
        rows={found.data.map((record) => cellsOf(record, props))}
        empty={found.isPartial ? 'None of these match.' : 'No record matches.'}
      />
      <Pager
        links={[
          ['Newest records', after === undefined ? null : withQuery(PATH, fields)],
          ['Next page', found.isPartial ? null : next],
        ]}
      />
      {found.data.length > 0 && <Exports filter={filter} />}
    </>
  )
}
