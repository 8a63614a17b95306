/**
 * Adds `stream_options.include_usage` to the bytes of a streaming chat request. The edit keeps all
 * other bytes. A body that cannot be edited with certainty is not edited.
 */

import { inserted, orNull, replaced, Scanner, UNSURE, type Span } from '../json-edit.ts'

const edit = (body: Buffer): Buffer | null => {
  const scanner = new Scanner(body)
  const request = scanner.find('stream_options', scanner.space(0))
  if (scanner.space(request.end) !== body.length) throw UNSURE
  const options = request.value
  if (options === null) return inserted(body, request, '"stream_options":{"include_usage":true}')
  const textOf = ({ from, to }: Span): string => body.toString('latin1', from, to)
  if (textOf(options) === 'null') return replaced(body, options, '{"include_usage":true}')
  const inOptions = scanner.find('include_usage', options.from)
  const asked = inOptions.value
  if (asked === null) return inserted(body, inOptions, '"include_usage":true')
  const isRefused = textOf(asked) === 'false' || textOf(asked) === 'null'
  return isRefused ? replaced(body, asked, 'true') : null
}

/**
 * @param body of a request that streams
 * @returns null when it asks for usage already, or cannot be edited with certainty: not a JSON object,
 * repeated or escaped names, values of other types
 */
export const askForUsage = (body: Buffer): Buffer | null => orNull(() => edit(body))
