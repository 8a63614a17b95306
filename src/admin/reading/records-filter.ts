/** What a person looks for in the log, as it stands in the address of the list, and as the store is asked. */
import {
  SEARCH_OUTCOMES,
  SEARCH_STATUSES,
  type RecordFilter,
} from '../../core/log/record-filter.ts'
import { timeSpanOf, type TimeSpan } from '../../core/days.ts'
import { AppError } from '../../errors.ts'
import { findTemplate } from '../../lifecycle/find.ts'
import type { RecordQuery, Store } from '../../store/store.ts'

/** An absent field: all. */
export interface RecordsFilter extends Omit<RecordFilter, 'from' | 'until'> {
  /** version, or the start of it */
  template?: string
  /** as `timeSpanOf` reads them */
  from?: string
  to?: string
  /** `next` of the page before */
  after?: number
}

const oneOf = <Value extends string>(values: readonly Value[], text: string): Value | undefined =>
  values.find((value) => value === text)

const TEXTS = ['template', 'tenant', 'conversation', 'text', 'from', 'to'] as const

/** @param queryOf a parameter of the address; undefined without one */
export const filterOf = (queryOf: (name: string) => string | undefined): RecordsFilter => {
  const field = (name: string): string => (queryOf(name) ?? '').trim()
  const texts = TEXTS.map((name) => [name, field(name)]).filter(([, text]) => text !== '')
  const outcome = oneOf(SEARCH_OUTCOMES, field('outcome'))
  const status = oneOf(SEARCH_STATUSES, field('status'))
  const after = Number.parseInt(field('after'), 10)
  return {
    ...(Object.fromEntries(texts) as Pick<RecordsFilter, (typeof TEXTS)[number]>),
    ...(outcome !== undefined && { outcome }),
    ...(status !== undefined && { status }),
    ...(after > 0 && { after }),
  }
}

const spanOf = (name: string, text: string): TimeSpan => {
  const span = timeSpanOf(text)
  if (span === null)
    throw new AppError(
      'invalid-request',
      `${name}: write a day or a minute in UTC, such as 2026-11-29 or 2026-11-29T10:00`,
      { param: name }
    )
  return span
}

/** @throws AppError `invalid-request` for a time that is none, `conflict` where several templates begin so */
export const queryOf = async (
  store: Pick<Store, 'templates'>,
  { template, from, to, ...fields }: RecordsFilter
): Promise<Omit<RecordQuery, 'limit'>> => ({
  ...fields,
  ...(from !== undefined && { from: spanOf('from', from).from }),
  ...(to !== undefined && { until: spanOf('to', to).until }),
  ...(template !== undefined && {
    templateVersion: (await findTemplate(store, template))?.version ?? template,
  }),
})
