/** The form by which the log is searched: what is asked for most, and the rest behind a click. Pure. */
import { SEARCH_OUTCOMES, SEARCH_STATUSES } from '../../../core/log/record-filter.ts'
import { BASE } from '../env.ts'
import { ChoiceFilter, Filter, TextFilter, TimeFilter } from '../parts/filter.tsx'
import { OUTCOME_WORDS } from './outcome.tsx'
import type { RecordsFilter } from '../../../views/record.ts'

export const PATH = `${BASE}/records`

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

export const Filters = ({ filter }: { filter: RecordsFilter }) => {
  const { text = '', outcome = '', after: _after, ...others } = filter
  return (
    <Filter path={PATH} isFiltered={text + outcome !== '' || Object.keys(others).length > 0}>
      <TextFilter name="text" label="Text of question or answer" value={text} />
      <ChoiceFilter name="outcome" label="Route" value={outcome} options={OUTCOMES} />
      <More filter={filter} />
    </Filter>
  )
}
