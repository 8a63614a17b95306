/** The AI SDK from version 5 on, by its providers: `chat`, `responses` (stored, as by default) or `compatible`. */
import { createRequire } from 'node:module'
import { argv } from 'node:process'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { z } from 'zod'
import { FUNCTIONS, play } from './play.mjs'

// names differ between versions, so none is imported by itself
const ai = await import('ai')
const version = Number.parseInt(createRequire(import.meta.url)('ai/package.json').version, 10)

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
  model: MODELS[argv[2]](c),
  [version < 7 ? 'system' : 'instructions']: c.prompt,
  maxRetries: 0,
})

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
  return (await ai.generateText({ ...request, output: ai.Output.object({ schema: ORDER }) })).output
}

await play({
  single: async (c) => [(await ai.generateText({ ...asked(c), prompt: c.question })).text],
  stream: async (c) => {
    // what goes wrong is a part of the stream, and written to the console too
    const result = ai.streamText({ ...asked(c), prompt: c.question, onError: () => undefined })
    let text = ''
    for await (const part of version < 7 ? result.fullStream : result.stream) {
      if (part.type === 'error') throw part.error
      if (part.type === 'text-delta') text += part.text
    }
    return [text]
  },
  structured: async (c) => {
    const { colour, tins } = await orderOf({ ...asked(c), prompt: c.question })
    return [`${colour} ${tins}`]
  },
  tools: async (c) => {
    const stopWhen = version < 7 ? ai.stepCountIs(5) : ai.isStepCount(5)
    const request = { ...asked(c), prompt: c.question, tools: toolsOf(c), stopWhen }
    const { text } = await ai.generateText(request)
    return [...c.calls, text]
  },
  chat: async (c) => {
    const messages = []
    const said = []
    for (const question of c.questions) {
      messages.push({ role: 'user', content: question })
      const result = await ai.generateText({ ...asked(c), messages })
      messages.push(...(version < 7 ? result.response.messages : result.responseMessages))
      said.push(result.text)
    }
    return said
  },
})
