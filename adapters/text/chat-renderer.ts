/**
 * Messages to token ids, through a chat template and a tokenizer. Knows nothing of weights.
 */
import { createHash } from 'node:crypto'
import type { ChatMessage } from '../../src/openai/chat.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { createChatTemplate, type RenderOptions, type TemplateTokens } from './chat-template.ts'
import type { TextTokenizer } from './text-tokenizer.ts'
import type { TokenizedRow } from './rows.ts'

/** A lora is served without the chat template's default system message. */
export const studentRow = (chat: ChatRenderer, row: TrainingRow): TokenizedRow => ({
  ...chat.renderRow(row, { defaultSystem: false }),
  weight: row.weight ?? 1,
})

/** For the teacher: the whole prompt, rendered like a client's request; needs `teacher_messages`. */
export const teacherRow = (chat: ChatRenderer, row: TrainingRow): TokenizedRow => {
  const messages = [...row.teacher_messages!, row.messages.at(-1)!]
  return { ...chat.renderRow({ messages }, { defaultSystem: true }), weight: 1 }
}

/** For losses: rendered like a client's request for the base model, as in training for a lora. */
export const scoredRow = (chat: ChatRenderer, row: TrainingRow, isBase: boolean): TokenizedRow => ({
  ...chat.renderRow(row, { defaultSystem: isBase }),
  weight: 1,
})

export interface RenderedRow {
  promptIds: number[]
  /** the answer with the token that ends the message; these are the labels */
  completionIds: number[]
}

/** Cuts after the token that ends the message; without such a token, adds the first of `eosIds`. */
const endMessage = (ids: number[], eosIds: number[]): number[] => {
  const end = ids.findIndex((id) => eosIds.includes(id))
  return end === -1 ? [...ids, eosIds[0]!] : ids.slice(0, end + 1)
}

/**
 * @param source Jinja source of the template
 * @throws AppError `invalid-model` for a template that does not parse
 */
export const createChatRenderer = (
  source: string,
  tokens: TemplateTokens,
  tokenizer: TextTokenizer
) => {
  const template = createChatTemplate(source, tokens, [...tokenizer.controlIds.keys()])
  return {
    /** sha256 of the template's text */
    templateHash: createHash('sha256').update(source).digest('hex'),
    /** @throws AppError `invalid-request` for messages that the template cannot render */
    render: (messages: readonly ChatMessage[], options: RenderOptions) => {
      const { text, guard } = template.render(messages, options)
      return {
        text: text.replaceAll(guard, ''),
        ids: tokenizer.encode(text, { special: true, guard }),
      }
    },
    /**
     * A training row with the ids that serving has: the prompt is rendered as by `render` with a
     * generation prompt, and the completion is the rest that the template writes.
     * @throws AppError `invalid-request` when the row's last message is not the assistant's, or the
     * template renders an answered conversation differently from an open one
     */
    renderRow: (row: TrainingRow, options: Pick<RenderOptions, 'defaultSystem'>): RenderedRow => {
      const { prompt, completion, guard } = template.renderAnswered(row.messages, options)
      // encoded separately, because in serving the answer begins with a new token after the prompt
      const answer = tokenizer.encode(completion, { special: true, guard, continues: true })
      return {
        promptIds: tokenizer.encode(prompt, { special: true, guard }),
        completionIds: endMessage(answer, tokenizer.eosIds),
      }
    },
  }
}

export type ChatRenderer = ReturnType<typeof createChatRenderer>
