/** Bodies of 4 MB that a redactor once worked on for seconds, on the one thread of the store. */
import { expect, it } from 'vitest'
import { createRedactor, DETECTOR_NAMES } from '../../src/core/log/redact.ts'
import { cpuMsOf } from '../kit/linear.ts'

const BYTES = 4 * 2 ** 20
/** Mended, each takes at most half a second; before, 2 to 11 s. */
const MOST_MS = 1500

const listOf = (item: string): string => `[${item.repeat(BYTES / item.length)}0]`

it.each([
  ['empty strings', listOf('"",')],
  ['short strings', listOf('"a",')],
  ['short strings with escapes', listOf('"\\n",')],
  ['percent signs that are no encoding', `"${'%e3%25'.repeat(BYTES / 6)}"`],
  ['bytes that are no character', `"${'%c3'.repeat(BYTES / 3)}"`],
  ['long numbers', listOf('1234567890123,')],
])('a body of %s is redacted in a moment', (_name, body) => {
  const redact = createRedactor({ detectors: [...DETECTOR_NAMES], patterns: {} })
  expect(cpuMsOf(() => expect(redact()(body)).toBe(body))).toBeLessThan(MOST_MS)
})
