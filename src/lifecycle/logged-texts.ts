/** Logged exchanges by their ids, and their queries and answers as a person reads them. */
import { outcomeOf, textOf, type Outcome } from '../core/answer/outcome.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import type { StoredRecord } from '../core/log/record.ts'
import { compileMatcher, templateKeyOf, type Matcher } from '../core/match/match.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { RecordStore, Store } from '../store/store.ts'

export interface LoggedText {
  /** null when the body was deleted, or when the template no longer matches it */
  query: string | null
  /** the logged answer; null when it was deleted */
  outcome: Outcome | null
}

/** Of a record that was deleted. */
export const NO_LOGGED_TEXT: LoggedText = { query: null, outcome: null }

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

/**
 * Reads records by their ids, however large they are: one read of the store ends early where bodies are large.
 * In the order of the ids, without ids that are not in the log. @param ids each once
 */
export async function* readByIds(
  { byIds }: Pick<RecordStore, 'byIds'>,
  ids: readonly string[]
): AsyncGenerator<StoredRecord> {
  for (let left = [...ids]; left.length > 0;) {
    const found = await byIds(left)
    yield* found
    const last = found.at(-1)
    left = last === undefined ? [] : left.slice(left.indexOf(last.id) + 1)
  }
}

/** @returns by record id, without records that were deleted */
export const readLoggedTexts = async (
  { templates, records }: Pick<Store, 'templates' | 'records'>,
  templateVersion: string,
  recordIds: string[]
): Promise<Map<string, LoggedText>> => {
  const template = await templates.get(templateVersion)
  const matcher = template === null ? null : compileMatcher([template])
  const texts = new Map<string, LoggedText>()
  for await (const record of readByIds(records, recordIds))
    texts.set(record.id, {
      query: queryOf(matcher, record),
      outcome: outcomeOf(parse(record.response)),
    })
  return texts
}

/** A logged answer that the form of an internalization does not reproduce. */
export interface UnexplainedAnswer {
  recordId: string
  /** null when the template no longer matches its request */
  query: string | null
  answer: string
}

const UNEXPLAINED_SHOWN = 3

/** At most three, the newest ones whose texts the log still has; empty without a form. */
export const unexplainedAnswers = async (
  store: Pick<Store, 'templates' | 'records'>,
  { templateVersion, plan }: Pick<Internalization, 'templateVersion' | 'plan'>
): Promise<UnexplainedAnswer[]> => {
  const ids = plan?.form?.unexplained ?? []
  const texts = await readLoggedTexts(store, templateVersion, ids)
  return ids
    .flatMap((recordId): UnexplainedAnswer[] => {
      const { query, outcome } = texts.get(recordId) ?? NO_LOGGED_TEXT
      const answer = outcome && textOf(outcome)
      return answer === null ? [] : [{ recordId, query, answer }]
    })
    .slice(0, UNEXPLAINED_SHOWN)
}
