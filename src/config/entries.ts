/** Reads the entries of a file that the configuration names; reports every mistake at once. Pure. */
import { z } from 'zod'
import { AppError } from '../errors.ts'

const parseJson = (file: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid-config', `${file} is not JSON`, { cause })
  }
}

/**
 * @param mistakesOf entries that each are of the schema
 * @throws AppError `invalid-config` with one line per mistake in its message
 */
export const parseEntries = <Schema extends z.ZodType>(
  file: string,
  text: string,
  schema: Schema,
  mistakesOf: (entries: z.infer<Schema>[]) => string[]
): z.infer<Schema>[] => {
  const parsed = z.array(schema).safeParse(parseJson(file, text))
  const mistakes = parsed.success
    ? mistakesOf(parsed.data)
    : parsed.error.issues.map(({ path, message }) => {
        const place = path.length === 0 ? 'the file' : `entry ${path.map(String).join('.')}`
        return `${place}: ${message}`
      })
  if (!parsed.success || mistakes.length > 0)
    throw new AppError('invalid-config', `invalid entries in ${file}\n  ${mistakes.join('\n  ')}`)
  return parsed.data
}
