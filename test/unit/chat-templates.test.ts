/**
 * What the chat templates of Qwen3, Llama 3.2, Gemma 3, SmolLM3 and Mistral write for training is
 * what serving reads.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createChatTemplate, type TemplateTokens } from '../../adapters/text/chat-template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'

interface Family {
  name: string
  template: string[]
  tokens: TemplateTokens
  control: string[]
  cases: { messages: ChatMessage[]; defaultSystem: boolean; prompt: string; completion: string }[]
}

const golden = new URL('../kit/model/chat-templates.json', import.meta.url)
const { families } = JSON.parse(readFileSync(golden, 'utf8')) as { families: Family[] }

describe('a training row is the prompt that is served, and the answer alone', () => {
  it.each(families)('$name', ({ template, tokens, control, cases }) => {
    const chat = createChatTemplate(template.join('\n'), tokens, control)
    for (const { messages, defaultSystem, prompt, completion } of cases) {
      const row = chat.renderAnswered(messages, { defaultSystem })
      const served = chat.render(messages.slice(0, -1), {
        addGenerationPrompt: true,
        defaultSystem,
      })
      expect(row.prompt).toBe(served.text)
      expect(row.prompt.replaceAll(row.guard, '')).toBe(prompt)
      expect(row.completion.replaceAll(row.guard, '')).toBe(completion)
    }
  })
})
