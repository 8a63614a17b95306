/** Training rows as tokens: what a lora reads, and what its teacher reads before the same answer. */
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import type { ChatRenderer } from '../model/chat-renderer.ts'
import type { TokenizedRow } from './rows.ts'

/** A lora is served without the chat template's default system message. */
export const studentRow = (chat: ChatRenderer, row: TrainingRow): TokenizedRow => ({
  ...chat.renderRow(row, { defaultSystem: false }),
  weight: row.weight ?? 1,
})

/** The base model with the whole prompt, read as a client's request is; needs `teacher_messages`. */
export const teacherRow = (chat: ChatRenderer, row: TrainingRow): TokenizedRow => {
  const messages = [...row.teacher_messages!, row.messages.at(-1)!]
  return { ...chat.renderRow({ messages }, { defaultSystem: true }), weight: 1 }
}

/** Rows whose loss is asked for: the base model reads them as a client's request, a lora as it learned. */
export const scoredRow = (chat: ChatRenderer, row: TrainingRow, isBase: boolean): TokenizedRow => ({
  ...chat.renderRow(row, { defaultSystem: isBase }),
  weight: 1,
})
