/** Records of the log, as API and page have them, and what a person looks for among them. */
import { z } from '@hono/zod-openapi'
import type { Bought, RouteOutcome, StoredRecord } from '../core/log/record.ts'
import type { Usage } from '../openai/chat.ts'
import { stored, time } from './shape.ts'
import { SEARCH_OUTCOMES, SEARCH_STATUSES, type RecordFilter } from '../core/log/record-filter.ts'
import { timeSpanOf, type TimeSpan } from '../core/days.ts'
import { AppError } from '../errors.ts'
import { findTemplate } from '../lifecycle/find.ts'
import type { RecordQuery, Store } from '../store/store.ts'

export const recordSchema = z
  .object({
    sequence: z.number(),
    id: z.string(),
    at: time,
    tenant: z.string(),
    caller: z.string().optional().describe('id of the issued key'),
    model: z.string(),
    path: z.string(),
    streamed: z.boolean(),
    status: z.number(),
    firstByteMs: z.number().nullable(),
    durationMs: z.number(),
    templateVersion: z.string().nullable(),
    usage: stored<Usage>('as the upstream reported it').nullable(),
    estimatedUsage: stored<Usage>('counted by a tokenizer, not billed').nullable(),
    costUsd: z.number().nullable().describe('charge of the upstream'),
    route: stored<RouteOutcome>('decision of the router').nullable(),
    request: z.string().optional(),
    response: z.string().nullable().optional(),
    bought: stored<Bought>('of a move: which record was sent again, and when').optional(),
  })
  .openapi('Record')

type CostUsd = (model: string, usage: Usage | null) => number | null

/** What the upstream charged for a record, US dollars; null for answers of loras, and without usage or price. */
export const chargeOf = (
  { model, usage, route }: Pick<StoredRecord, 'model' | 'usage' | 'route'>,
  costUsd: CostUsd
): number | null => (route?.outcome === 'answered' ? null : costUsd(model, usage))

/** @param costUsd the upstream's charge for an answer */
export const recordView = (
  { request, response, estimatedUsage = null, ...row }: StoredRecord,
  withBodies: boolean,
  costUsd: CostUsd
): z.infer<typeof recordSchema> => {
  const view = { ...row, estimatedUsage, costUsd: chargeOf(row, costUsd) }
  return withBodies ? { ...view, request, response } : view
}

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
