/** Training rows as tokens, for the lora and for its teacher. */
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import type { ChatRenderer } from './chat-renderer.ts'
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
