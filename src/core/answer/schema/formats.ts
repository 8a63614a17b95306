/** Checks for the values of `format` in OpenAI's structured outputs. */
import formatsOfAjv from 'ajv-formats'
import { AppError } from '../../../errors.ts'

/** OpenAI, "Structured model outputs", supported properties of strings. */
const NAMES = [
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
] as const

/** Longer texts never fit; some of the expressions take time quadratic in the length. */
const MAX_FORMAT_CHARS = 1024

type FormatTest = (text: string) => boolean

const testOf = (name: (typeof NAMES)[number]): FormatTest => {
  const format = formatsOfAjv.default.get(name, 'full')
  if (format instanceof RegExp) return (text) => format.test(text)
  const validate = typeof format === 'object' && 'validate' in format ? format.validate : null
  if (typeof validate !== 'function') throw new AppError('internal', `no format ${name}`)
  return (text) => (validate as FormatTest)(text)
}

/** name → test of a text */
export const FORMATS: Readonly<Record<string, FormatTest>> = Object.fromEntries(
  NAMES.map((name) => {
    const test = testOf(name)
    return [name, (text: string) => text.length <= MAX_FORMAT_CHARS && test(text)]
  })
)

/** Unknown formats are annotations, as in the standard. */
export const isKnownFormat = (name: unknown): boolean =>
  typeof name !== 'string' || Object.hasOwn(FORMATS, name)
