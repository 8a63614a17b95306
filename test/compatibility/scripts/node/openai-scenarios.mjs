/** What OpenAI's package for JavaScript does in each scenario, in Node and in a browser. */

const PARAMETERS = {
  find_customer: { colour: { type: 'string' } },
  check_stock: { colour: { type: 'string' }, tins: { type: 'integer' } },
}

const objectOf = (properties) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
})

const ORDER = objectOf({ colour: { type: 'string' }, tins: { type: 'integer' } })

const firstMessages = ({ prompt, question }) => [
  { role: 'system', content: prompt },
  { role: 'user', content: question },
]

const orderText = ({ colour, tins }) => `${colour} ${tins}`

const chat = (clientOf, functions) => ({
  single: async (c) => {
    const made = await clientOf(c).chat.completions.create({
      model: c.model,
      messages: firstMessages(c),
    })
    return [made.choices[0].message.content]
  },
  stream: async (c) => {
    const stream = await clientOf(c).chat.completions.create({
      model: c.model,
      messages: firstMessages(c),
      stream: true,
    })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    return [text]
  },
  structured: async (c) => {
    const made = await clientOf(c).chat.completions.parse({
      model: c.model,
      messages: firstMessages(c),
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'order', schema: ORDER, strict: true },
      },
    })
    return [orderText(JSON.parse(made.choices[0].message.content))]
  },
  tools: async (c) => {
    const client = clientOf(c)
    const messages = firstMessages(c)
    const tools = Object.entries(functions).map(([name, description]) => ({
      type: 'function',
      function: { name, description, parameters: objectOf(PARAMETERS[name]), strict: true },
    }))
    for (;;) {
      const made = await client.chat.completions.create({ model: c.model, messages, tools })
      const { message } = made.choices[0]
      messages.push(message)
      if (!message.tool_calls?.length) return [...c.calls, message.content]
      for (const { id, function: call } of message.tool_calls)
        messages.push({
          role: 'tool',
          tool_call_id: id,
          content: c[call.name](JSON.parse(call.arguments)),
        })
    }
  },
  chat: async (c) => {
    const client = clientOf(c)
    const messages = [{ role: 'system', content: c.prompt }]
    const said = []
    for (const question of c.questions) {
      messages.push({ role: 'user', content: question })
      const made = await client.chat.completions.create({ model: c.model, messages })
      messages.push(made.choices[0].message)
      said.push(made.choices[0].message.content)
    }
    return said
  },
})

const responses = (clientOf, functions) => ({
  single: async (c) => {
    const { model, prompt: instructions, question: input } = c
    return [(await clientOf(c).responses.create({ model, instructions, input })).output_text]
  },
  stream: async (c) => {
    const { model, prompt: instructions, question: input } = c
    const stream = await clientOf(c).responses.create({ model, instructions, input, stream: true })
    let text = ''
    for await (const event of stream)
      if (event.type === 'response.output_text.delta') text += event.delta
    return [text]
  },
  structured: async (c) => {
    const { model, prompt: instructions, question: input } = c
    const format = { type: 'json_schema', name: 'order', schema: ORDER, strict: true }
    const made = await clientOf(c).responses.parse({ model, instructions, input, text: { format } })
    return [orderText(JSON.parse(made.output_text))]
  },
  tools: async (c) => {
    const { model, prompt: instructions } = c
    const client = clientOf(c)
    const input = [{ role: 'user', content: c.question }]
    const tools = Object.entries(functions).map(([name, description]) => ({
      type: 'function',
      name,
      description,
      parameters: objectOf(PARAMETERS[name]),
      strict: true,
    }))
    for (;;) {
      const made = await client.responses.create({ model, instructions, input, tools })
      input.push(...made.output)
      const calls = made.output.filter(({ type }) => type === 'function_call')
      if (calls.length === 0) return [...c.calls, made.output_text]
      for (const { call_id, name, arguments: json } of calls)
        input.push({ type: 'function_call_output', call_id, output: c[name](JSON.parse(json)) })
    }
  },
  chat: async (c) => {
    const { model, prompt: instructions } = c
    const client = clientOf(c)
    const said = []
    let previous
    for (const input of c.questions) {
      const made = await client.responses.create({
        model,
        instructions,
        input,
        ...(previous === undefined ? {} : { previous_response_id: previous }),
      })
      previous = made.id
      said.push(made.output_text)
    }
    return said
  },
})

/** @param variant `chat` or `responses` @param clientOf makes the client of a conversation */
export const SCENARIOS = (variant, clientOf, functions) =>
  (variant === 'chat' ? chat : responses)(clientOf, functions)
