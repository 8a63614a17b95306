/** Whether a text is JSON, to the letter; `score-json.ts` reads answers with more tolerance. */
export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
