/** Query and answer of logged exchanges, as a person reads them. */
import { outcomeOf, type Outcome } from '../core/answer/outcome.ts'
import type { StoredRecord } from '../core/log/record.ts'
import { compileMatcher, templateKeyOf, type Matcher } from '../core/match/match.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { Store } from '../store/store.ts'

export interface Said {
  /** null when the body was deleted, or when the template no longer matches it */
  query: string | null
  /** the logged answer; null when it was deleted */
  outcome: Outcome | null
}

/** Of a record that was deleted. */
export const NOTHING_SAID: Said = { query: null, outcome: null }

const parse = <T>(text: string | null): T | null => {
  if (text === null || text === '') return null
  try {
    return JSON.parse(text) as T
  } catch {
    // the body was not JSON when it was logged
    return null
  }
}

const queryOf = (matcher: Matcher | null, record: StoredRecord): string | null => {
  const request = parse<ChatRequest>(record.request)
  if (request === null || matcher === null) return null
  return matcher.match(templateKeyOf(request, record), request.messages)?.query ?? null
}

/** @returns by record id, without records that were deleted */
export const readSaid = async (
  { templates, records }: Pick<Store, 'templates' | 'records'>,
  templateVersion: string,
  recordIds: string[]
): Promise<Map<string, Said>> => {
  const template = await templates.get(templateVersion)
  const matcher = template === null ? null : compileMatcher([template])
  const found = await records.byIds(recordIds)
  return new Map(
    found.map((record) => [
      record.id,
      { query: queryOf(matcher, record), outcome: outcomeOf(parse(record.response)) },
    ])
  )
}
