/** The forms of logs that other programs export. A value's content tells its form, not the name of its file. */
import { ANTHROPIC } from './anthropic.ts'
import { isObject, type Fields } from './fields.ts'
import type { Found, LogForm } from './form.ts'
import { LANGFUSE } from './langfuse.ts'
import { LITELLM } from './litellm.ts'
import { OPENAI_STORED } from './openai-stored.ts'
import { OPEN_TELEMETRY } from './otel.ts'

const FORMS: LogForm[] = [LANGFUSE, OPEN_TELEMETRY, LITELLM, OPENAI_STORED, ANTHROPIC]

/** For a message about a file in none of them; the first three are those of `import-line.ts`. */
export const FORM_NAMES = [
  '{messages, response}',
  '{request, response}',
  'fine-tuning rows',
  ...FORMS.map(({ name }) => name),
]

const readOne = (value: Fields): Found[] | null => {
  for (const { read } of FORMS) {
    const found = read(value)
    if (found !== null) return found
  }
  return null
}

/** A page of an API (Langfuse, LiteLLM, OpenAI) has its objects in `data`. */
const pageOf = ({ data }: Fields): Fields[] | null =>
  Array.isArray(data) && data.length > 0 && data.every(isObject) ? data : null

/**
 * The exchanges in a parsed value.
 * @returns null for a value in none of the forms
 */
export const readForms = (value: Fields): Found[] | null => {
  const own = readOne(value)
  const page = own === null ? pageOf(value) : null
  if (page === null) return own
  const found = page.map(readOne)
  return found.every((one) => one === null)
    ? null
    : found.flatMap((one) => one ?? [{ reason: 'a member of its data is in another form' }])
}
