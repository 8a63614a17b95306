/**
 * Checks request bodies: turns zod's findings into errors that name the wrong parameter. Also the
 * schemas that several routes share.
 */
import { z } from 'zod'
import { AppError } from '../../src/errors.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'

/** @param param the member of the request that is at fault */
export const invalidRequest = (message: string, param: string): AppError =>
  new AppError('invalid-request', message, { param })

/** `messages.0.role: …`. An unknown field is an error, because ignoring it could change the answer. */
const describeIssue = (issue: z.core.$ZodIssue): { message: string; param?: string } => {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => [...path, key].join('.'))
    return { message: `unsupported field: ${names.join(', ')}`, param: names[0] }
  }
  const param = path.join('.')
  return param === ''
    ? { message: issue.message }
    : { message: `${param}: ${issue.message}`, param }
}

/**
 * @param where put before the message, e.g. a file's name and line
 * @throws AppError `invalid-request` with the first finding and its parameter
 */
export const parseWith = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where?: { text: string; param: string }
): z.output<Schema> => {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const { message, param } = describeIssue(result.error.issues[0]!)
  throw new AppError('invalid-request', where ? `${where.text}: ${message}` : message, {
    param: where?.param ?? param,
  })
}

/** @throws AppError `invalid-request` when the text is not JSON */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new AppError('invalid-request', `the body is not JSON: ${(error as Error).message}`)
  }
}

const textPart = z.strictObject({
  type: z.literal('text', { error: 'only text content is supported' }),
  text: z.string(),
})

const content = z
  .union([z.string(), z.array(textPart).nonempty()], {
    error: (issue) =>
      Array.isArray(issue.input)
        ? 'every content part must be {"type": "text", "text": …}'
        : 'must be a string or a list of text parts',
  })
  .transform((value) =>
    typeof value === 'string' ? value : value.map((part) => part.text).join('')
  )

/** `developer` is OpenAI's newer name for `system`; chat templates have the older one. */
const role = z
  .enum(['system', 'developer', 'user', 'assistant'], {
    error: 'must be system, developer, user or assistant',
  })
  .transform((name) => (name === 'developer' ? 'system' : name))

export const messageSchema = z.strictObject({ role, content })

export const messagesSchema: z.ZodType<ChatMessage[]> = z
  .array(messageSchema)
  .nonempty({ error: 'must not be empty' })

export const rowSchema: z.ZodType<TrainingRow> = z
  .strictObject({
    messages: z.array(messageSchema).min(2, { error: 'must hold a prompt and a completion' }),
    weight: z.number().nonnegative().optional(),
    teacher_messages: messagesSchema.optional(),
  })
  .refine((row) => row.messages.at(-1)?.role === 'assistant', {
    path: ['messages'],
    error: 'the last message must be the assistant’s completion',
  })
  .refine((row) => row.messages.at(-1)?.content !== '', {
    path: ['messages'],
    error: 'the completion must not be empty',
  })

/**
 * The rows of a JSONL file; blank lines are skipped.
 * @param source names file and parameter in errors
 * @throws AppError `invalid-request` with the number of the first bad line, from 1
 */
export const parseRows = (text: string, source: { fileId: string; param: string }): TrainingRow[] =>
  text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    const where = { text: `file ${source.fileId}, line ${index + 1}`, param: source.param }
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch (error) {
      throw new AppError(
        'invalid-request',
        `${where.text}: not JSON: ${(error as Error).message}`,
        {
          param: source.param,
        }
      )
    }
    return [parseWith(rowSchema, value, where)]
  })
