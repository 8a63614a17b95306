/** What detection costs: time beside one JSON.parse of the same body, and memory under noise. */
import type { Detector } from '../../src/core/detect/detect.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import type { TemplateKey } from '../../src/core/template/template.ts'
import { seededRandom } from '../../src/random.ts'

const WORDS =
  'account answer between certain customer decide exactly follow general however include journey known letter market never order people question rather second table under value without yellow'.split(
    ' '
  )

const sentence = (random: () => number, words: number): string => {
  let text = ''
  for (let index = 0; index < words; index++) {
    text += `${WORDS[Math.floor(random() * WORDS.length)]!} `
  }
  return text
}

const BODY_CHARS = 8192

/** Bodies of about 8 KB: one template of 100-character lines, another query each. */
const bodies = (count: number, seed: number): string[] => {
  const random = seededRandom(seed)
  let prompt = ''
  while (prompt.length < BODY_CHARS - 500) prompt += `- ${sentence(random, 14).trim()}.\n`
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: prompt },
        { role: 'user', content: `${index} ${sentence(random, 40)}` },
      ],
    })
  )
}

export interface Cost {
  observeUs: number
  parseUs: number
}

/** Mean microseconds of one pass over fresh bodies; parse and observe alternate, so load hits both. */
export const measureCost = (detector: Detector, key: TemplateKey, seed: number): Cost => {
  const batch = bodies(2000, seed)
  let parseMs = 0
  let observeMs = 0
  for (const [index, body] of batch.entries()) {
    const start = performance.now()
    const request = JSON.parse(body) as ChatRequest
    const parsed = performance.now()
    detector.observe({ key, messages: request.messages, response: `label ${index % 7}`, at: index })
    observeMs += performance.now() - parsed
    parseMs += parsed - start
  }
  return {
    observeUs: (observeMs * 1000) / batch.length,
    parseUs: (parseMs * 1000) / batch.length,
  }
}

/**
 * Feeds prompts that never recur: a one-off system message and a question, 200 to 1,200
 * characters. Words recur, lines do not.
 */
export const feedDistinct = (
  detector: Detector,
  key: TemplateKey,
  count: number,
  progress: (done: number) => void
): void => {
  const random = seededRandom(count)
  for (let index = 0; index < count; index++) {
    const lines = 1 + Math.floor(random() * 6)
    let text = ''
    for (let line = 0; line < lines; line++) text += `${index}.${line} ${sentence(random, 12)}\n`
    detector.observe({
      key,
      messages: [
        { role: 'system', content: text },
        { role: 'user', content: `${sentence(random, 8)}${index}` },
      ],
      response: `answer ${index}`,
      at: index,
    })
    if ((index + 1) % 100_000 === 0) progress(index + 1)
  }
}
