/**
 * The examples of a task as messages: each request has other pairs of a question and an answer. When the
 * template is found, and what share of the next requests it recognizes as its pool becomes known.
 */
import { Detector } from '../../src/core/detect/detect.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import { retrievedPairs } from '../../src/core/template/example-pairs.ts'
import type { TemplateKey } from '../../src/core/template/template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { loadTask, renderRequest, type Task } from '../harness/data.ts'

const NEXT_REQUESTS = 300
const MINUTE_MS = 60_000

interface PairRequest {
  messages: ChatMessage[]
  response: string
}

/** The task's system message, its retrieved examples as pairs, and the query. */
const pairRequests = (folder: string): PairRequest[] => {
  const task = loadTask(folder, undefined)
  const asPairs: Task = {
    ...task,
    prefix: {
      messages: [
        ...task.prefix.messages.slice(0, 1),
        { expand: 'fewshot_pairs' },
        { role: 'user', content: '{{query}}' },
      ],
      fewshot: { mode: 'retrieved' },
    },
  }
  return task.train.map((row) => ({
    messages: renderRequest(asPairs, row, '').messages,
    response: row.answer,
  }))
}

export interface PairReport {
  /** requests when a template with retrieved pairs was found; Infinity: never */
  after: number
  /** requests seen → share of the next requests that match */
  matched: [number, number][]
}

/**
 * @param folder of a task whose rows name their examples
 * @param within requests of which each tenth is looked at; later ones at each five hundredth
 */
export const findPairs = (folder: string, key: TemplateKey, within: number): PairReport => {
  const requests = pairRequests(folder)
  const detector = new Detector()
  const report: PairReport = { after: Infinity, matched: [] }
  for (const [index, request] of requests.entries()) {
    detector.observe({ key, ...request, at: index * MINUTE_MS })
    const seen = index + 1
    if (seen % (seen <= within ? 10 : 500) !== 0) continue
    const templates = detector.candidates()
    const isFound = templates.some((template) => retrievedPairs(template).length > 0)
    if (isFound) report.after = Math.min(report.after, seen)
    const next = requests.slice(seen, seen + NEXT_REQUESTS)
    if (seen < within) continue
    const matcher = compileMatcher(templates)
    const matched = next.filter(({ messages }) => matcher.match(key, messages) !== null)
    report.matched.push([seen, matched.length / next.length])
  }
  return report
}
