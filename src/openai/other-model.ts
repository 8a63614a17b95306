/**
 * Makes a chat request one to another model: replaces `model`, and asks for log-probabilities where the client does
 * not. All other bytes stay. A body that cannot be edited with certainty is not edited.
 */
import { inserted, orNull, replaced, Scanner, UNSURE } from './json-edit.ts'

const withName = (body: Buffer, name: string): Buffer => {
  const scanner = new Scanner(body)
  const request = scanner.find('model', scanner.space(0))
  if (request.value === null || scanner.space(request.end) !== body.length) throw UNSURE
  return replaced(body, request.value, JSON.stringify(name))
}

const withLogprobs = (body: Buffer): Buffer => {
  const scanner = new Scanner(body)
  const request = scanner.find('logprobs', scanner.space(0))
  return request.value === null
    ? inserted(body, request, '"logprobs":true')
    : replaced(body, request.value, 'true')
}

/**
 * @returns null where the body cannot be edited with certainty: not a JSON object, without a model, repeated or escaped
 * names
 */
export const forOtherModel = (
  body: Buffer,
  { name, hasLogprobs }: { name: string; hasLogprobs: boolean }
): Buffer | null =>
  orNull(() => {
    const named = withName(body, name)
    return hasLogprobs ? withLogprobs(named) : named
  })
