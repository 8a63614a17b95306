/** A completion as the API gives it. */
export const completion = (content: string) => ({
  id: 'chatcmpl-upstream',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-4o-mini-2024-07-18',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content, refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  service_tier: 'default',
  x_vendor: { a: 1 },
})

/** The body of a chat completion with a text. */
export const answerBody = (content: string | null, members: object = {}): string =>
  JSON.stringify({
    ...members,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  })
