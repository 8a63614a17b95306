/** A request of a template, made of its parts: what a matcher takes apart, put together. Pure. */
import type { ChatMessage } from '../../openai/chat.ts'
import type { Match, Segment, Template } from './template.ts'

/** Texts of the places of a template. */
export type Filling = Pick<Match, 'slots' | 'examples' | 'query'>

const textOf = (segment: Segment, { slots, examples, query }: Filling): string => {
  switch (segment.kind) {
    case 'anchor':
      return segment.text
    case 'slot':
      return slots[segment.name] ?? ''
    case 'examples':
      return examples[segment.name] ?? ''
    case 'query':
      return query
  }
}

/** A place without a text is empty. @returns the template's own messages, without later turns */
export const filledMessages = ({ messages }: Template, filling: Filling): ChatMessage[] =>
  messages.map(({ role, segments }) => ({
    role,
    content: segments.map((segment) => textOf(segment, filling)).join(''),
  }))
