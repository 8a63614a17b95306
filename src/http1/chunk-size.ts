/** The line before a chunk (RFC 9112 §7.1). */
import { invalidAnswer } from './http1-error.ts'

/**
 * A size, with extensions (§7.1.1) or without: names and values as there, without blanks between them,
 * which llhttp refuses.
 */
// oxlint-disable-next-line no-control-regex
const SIZE =
  /^([\da-f]+)(?:;[!#$%&'*+\-.^_`|~\w]+(?:=(?:[!#$%&'*+\-.^_`|~\w]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*$/i

/**
 * The extensions, which nobody here knows, are skipped.
 * @returns bytes of the chunk
 * @throws Http1Error `invalid-answer`, also for sizes from 2^53 on
 */
export const chunkSizeOf = (line: string): number => {
  const digits = SIZE.exec(line)?.[1]
  const size = digits === undefined ? Number.NaN : Number.parseInt(digits, 16)
  if (!Number.isSafeInteger(size)) throw invalidAnswer('a chunk has no size')
  return size
}
