import type { ChatRequest } from '../../src/openai/chat.ts'

/** The text before the first stop sequence in it. Of answers that are whole at once; generated ones stop as they grow. */
export const cutAtStop = (text: string, stop: ChatRequest['stop']): string => {
  const places = [stop ?? []].flat().map((ending) => text.indexOf(ending))
  return text.slice(0, Math.min(text.length, ...places.filter((place) => place >= 0)))
}
