/** What a question of a live route is made of: the template, and the newest request of it that the log has. */
import { requestOf } from '../../../core/log/record-bodies.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import { compileMatcher, templateKeyOf } from '../../../core/match/match.ts'
import type { Filling } from '../../../core/template/fill.ts'
import { slotsOf, type Slot, type Template } from '../../../core/template/template.ts'
import type { ChatRequest } from '../../../openai/chat.ts'
import { CHAT, dialectOfRecord } from '../../../openai/dialect.ts'
import type { Store } from '../../../store/store.ts'
import { readTemplate } from '../../reading/template-facts.ts'

/** Newest records that are looked through for one that still matches. */
const LOOKED_AT = 5

export interface Prepared {
  template: Template
  slots: Slot[]
  /** of the request beside its messages */
  fields: Omit<ChatRequest, 'messages'>
  filling: Filling
  /** that it was filled from; null: the log has none with its text */
  recordId: string | null
}

type Logged = Pick<Prepared, 'fields' | 'filling' | 'recordId'>

/** One answer is asked for, and all of it at once. */
const fieldsOf = ({
  messages: _messages,
  stream: _stream,
  stream_options: _options,
  ...fields
}: ChatRequest): Prepared['fields'] => fields

const loggedIn = (template: Template, found: StoredRecord[]): Logged | null => {
  const matcher = compileMatcher([template])
  for (const record of found) {
    const request = dialectOfRecord(record) === CHAT ? requestOf(record) : null
    if (request === null) continue
    const match = matcher.match(templateKeyOf(request, record), request.messages)
    if (match) return { fields: fieldsOf(request), filling: match, recordId: record.id }
  }
  return null
}

/** Without a logged request: the first value of each choice. */
const unfilled = (template: Template, slots: readonly Slot[]): Logged => ({
  fields: { model: template.model },
  filling: {
    slots: Object.fromEntries(slots.map(({ name, values }) => [name, values?.[0] ?? ''])),
    examples: {},
    query: '',
  },
  recordId: null,
})

/** @param version or the start of it. @throws AppError `not-found`, `conflict` */
export const prepare = async (
  store: Pick<Store, 'templates' | 'records'>,
  version: string
): Promise<Prepared> => {
  const template = await readTemplate(store, version)
  const slots = slotsOf(template)
  const { data } = await store.records.search({
    templateVersion: template.version,
    status: '2xx',
    limit: LOOKED_AT,
  })
  return { template, slots, ...(loggedIn(template, data) ?? unfilled(template, slots)) }
}
