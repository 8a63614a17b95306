/**
 * The AI SDK from version 5 on, by its providers: `chat`, `responses` (stored, as by default) or `compatible`. With
 * `-streamed` everything is streamed, as in an application with a chat.
 */
import { createRequire } from 'node:module'
import { argv } from 'node:process'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { z } from 'zod'
import { FUNCTIONS, play } from './play.mjs'

// names differ between versions, so none is imported by itself
const ai = await import('ai')
const version = Number.parseInt(createRequire(import.meta.url)('ai/package.json').version, 10)

const [api, mode] = argv[2].split('-')

const MODELS = {
  chat: ({ baseUrl: baseURL, apiKey, model }) => createOpenAI({ baseURL, apiKey }).chat(model),
  responses: ({ baseUrl: baseURL, apiKey, model }) => createOpenAI({ baseURL, apiKey })(model),
  compatible: ({ baseUrl: baseURL, apiKey, model }) =>
    createOpenAICompatible({
      name: 'warehouse',
      baseURL,
      apiKey,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })(model),
}

/** Version 7 calls the system prompt `instructions`. */
const asked = (c) => ({
  model: MODELS[api](c),
  [version < 7 ? 'system' : 'instructions']: c.prompt,
  maxRetries: 0,
})

/** What goes wrong is a part of the stream. */
const streamed = async (request) => {
  const result = ai.streamText({ ...request, onError: () => undefined })
  for await (const part of version < 7 ? result.fullStream : result.stream)
    if (part.type === 'error') throw part.error
  return result
}

/** Members of a streamed result are promises. */
const answered = (request) => (mode === 'streamed' ? streamed(request) : ai.generateText(request))

const ORDER = z.object({ colour: z.string(), tins: z.number() })

const PARAMETERS = {
  find_customer: z.object({ colour: z.string() }),
  check_stock: z.object({ colour: z.string(), tins: z.number() }),
}

const toolsOf = (c) =>
  Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, description]) => [
      name,
      ai.tool({
        description,
        inputSchema: PARAMETERS[name],
        execute: async (input) => c[name](input),
      }),
    ])
  )

const orderOf = async (request) => {
  if (version < 6) return (await ai.generateObject({ ...request, schema: ORDER })).object
  return (await answered({ ...request, output: ai.Output.object({ schema: ORDER }) })).output
}

await play({
  single: async (c) => [await (await answered({ ...asked(c), prompt: c.question })).text],
  stream: async (c) => [await (await streamed({ ...asked(c), prompt: c.question })).text],
  structured: async (c) => {
    const { colour, tins } = await orderOf({ ...asked(c), prompt: c.question })
    return [`${colour} ${tins}`]
  },
  tools: async (c) => {
    const stopWhen = version < 7 ? ai.stepCountIs(5) : ai.isStepCount(5)
    const request = { ...asked(c), prompt: c.question, tools: toolsOf(c), stopWhen }
    const text = await (await answered(request)).text
    return [...c.calls, text]
  },
  chat: async (c) => {
    const messages = []
    const said = []
    for (const question of c.questions) {
      messages.push({ role: 'user', content: question })
      const result = await answered({ ...asked(c), messages })
      messages.push(
        ...(version < 7 ? (await result.response).messages : await result.responseMessages)
      )
      said.push(await result.text)
    }
    return said
  },
})
