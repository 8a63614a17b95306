/** A chat request as a client of the Responses API sends it. */
import type { ChatBody } from './orders.ts'

export const responsesBody = ({ messages, max_tokens, ...rest }: ChatBody) => ({
  ...rest,
  ...(max_tokens === undefined ? {} : { max_output_tokens: max_tokens }),
  input: messages,
})
