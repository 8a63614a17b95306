/** Parts of templates, and messages of chats. */
import type { Segment, Slot, TemplateKey } from '../../../src/core/template/template.ts'
import type { ChatMessage } from '../../../src/openai/chat.ts'

export const KEY: TemplateKey = { tenant: 'tenant', model: 'gpt', tools: '', responseFormat: '' }

export const anchor = (text: string): Segment => ({ kind: 'anchor', text })

/** One that is kept, of a short line, unless a test says otherwise. */
export const slot = (name: string, changed: Partial<Slot> = {}): Slot => ({
  kind: 'slot',
  name,
  type: 'short',
  maxChars: 40,
  multiline: false,
  kept: true,
  ...changed,
})

type Content = ChatMessage['content']

export const system = (content: Content): ChatMessage => ({ role: 'system', content })
export const user = (content: Content): ChatMessage => ({ role: 'user', content })
export const assistant = (content: Content): ChatMessage => ({ role: 'assistant', content })
