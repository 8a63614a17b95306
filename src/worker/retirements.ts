/** Reads, once a day, when the upstreams retire their models and which may train others, from their lists of models. */
import { isDate } from '../core/cost/prices.ts'
import { DAY_MS } from '../core/days.ts'
import { marksModels } from '../core/terms/terms.ts'
import { findUpstream } from '../core/upstream-choice.ts'
import { toAppError } from '../errors.ts'
import {
  readAnnounced,
  saveAnnounced,
  withAnnounced,
  type AnnouncedRetirements,
} from '../savings/announced-retirements.ts'
import type { RetiresOn } from '../core/cost/retirements.ts'
import type { ReadModelLists, WorkerDeps } from './deps.ts'
import type { ReplayOptions } from './replay.ts'
import { textWithin } from '../text-within.ts'

const TIMEOUT_MS = 10_000
const RETRY_MS = 3_600_000
/** OpenAI's list of a hundred models has 12 KB. */
const MAX_LIST_BYTES = 4_000_000
const MAX_MODELS = 10_000
const MAX_NAME_CHARS = 200
/** OpenRouter's filter (openrouter.ai/docs/client-sdks/typescript/models/operations/distillable) */
const MARKED_ONLY = '?distillable=true'

const readList = async (
  fetch: ReplayOptions['fetch'],
  { baseUrl, apiKey }: { baseUrl: string; apiKey: string },
  query = ''
): Promise<string> => {
  const response = await fetch(`${baseUrl}/models${query}`, {
    headers: { authorization: `Bearer ${apiKey}` },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (response.ok) return textWithin(response, MAX_LIST_BYTES)
  await response.body?.cancel()
  throw new Error(`it answered with ${response.status}`)
}

/** Asks each upstream with the operator's key. @returns null when no upstream has one */
export const createModelLists = ({
  standard,
  upstreams,
  fetch,
}: Omit<ReplayOptions, 'fault'>): ReadModelLists | null => {
  const entries = [
    { ...standard, entry: null },
    ...upstreams.map((one) => ({ ...one, entry: one })),
  ]
  const keyed = entries.flatMap(({ baseUrl, apiKey, entry }) =>
    apiKey === null ? [] : [{ baseUrl, apiKey, entry }]
  )
  if (keyed.length === 0) return null
  return () =>
    keyed.map((one) => {
      const { host, hostname } = new URL(one.baseUrl)
      return {
        host,
        list: () => readList(fetch, one),
        isAsked: (model: string) => findUpstream(upstreams, model) === one.entry,
        ...(marksModels(hostname) && { marked: () => readList(fetch, one, MARKED_ONLY) }),
      }
    })
}

interface ListedModel {
  id: string
  shutdown_date?: unknown
}

const isModel = (entry: unknown): entry is ListedModel => {
  const { id } = (entry ?? {}) as { id?: unknown }
  return typeof id === 'string' && id.length <= MAX_NAME_CHARS
}

/** @throws Error where the text is no list of models */
const modelsOf = (text: string): ListedModel[] => {
  const { data } = JSON.parse(text) as { data?: unknown }
  if (!Array.isArray(data)) throw new Error('it answered with no list of models')
  return data.slice(0, MAX_MODELS).filter(isModel)
}

/**
 * `shutdown_date` of each model (developers.openai.com/api/reference/resources/models); entries of another shape are
 * left out. @throws Error where the text is no list of models
 */
export const shutdownDates = (text: string): Record<string, string> =>
  Object.fromEntries(
    modelsOf(text).flatMap(({ id, shutdown_date: day }) => (isDate(day) ? [[id, day]] : []))
  )

export interface Retirements {
  /** Reads the lists if they were not read for a day. Never rejects. */
  step(): Promise<void>
  on: RetiresOn
}

/** @param deps with the store under the lease */
export const openRetirements = async (
  deps: Pick<WorkerDeps, 'store' | 'readModelLists' | 'deprecatedOn' | 'now' | 'log'>
): Promise<Retirements> => {
  const { store, readModelLists, deprecatedOn, now, log } = deps
  let announced: AnnouncedRetirements | null = await readAnnounced(store)
  let retiresOn = withAnnounced(announced, deprecatedOn)
  /** A day of retirement stays true; that a model may train others must be said anew. */
  const forgetMarked = async (): Promise<void> => {
    if (announced === null || announced.marked.length === 0) return
    announced = { ...announced, marked: [] }
    await saveAnnounced(store, announced)
  }
  return {
    async step() {
      if (readModelLists === null) return forgetMarked()
      if (announced !== null && Math.abs(now() - announced.at) < DAY_MS) return
      const on: Record<string, string> = {}
      const marked: string[] = []
      let failed = 0
      const lists = readModelLists()
      for (const { host, list, isAsked, marked: markedList } of lists) {
        // where a list cannot be read, what was known of its models stays
        let days = announced?.on ?? {}
        try {
          days = shutdownDates(await list())
          if (markedList) marked.push(...modelsOf(await markedList()).map(({ id }) => id))
        } catch (error) {
          failed++
          const { message } = toAppError(error)
          const said = `when ${host} retires its models cannot be read: ${message}`
          log({ level: 'info', message: said })
        }
        // other upstreams may have other models of the same name
        for (const [model, day] of Object.entries(days)) if (isAsked(model)) on[model] = day
      }
      // where all lists failed, the next hour tries again; a mark counts no longer than its list can be read
      announced = { at: failed < lists.length ? now() : now() - DAY_MS + RETRY_MS, on, marked }
      retiresOn = withAnnounced(announced, deprecatedOn)
      await saveAnnounced(store, announced)
    },
    on: (model) => retiresOn(model),
  }
}
