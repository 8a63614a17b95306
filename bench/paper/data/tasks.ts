/** Subjects of task folders. The product's detector makes the template of a task's requests. */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Detector } from '../../../src/core/detect/detect.ts'
import { comparisonOf } from '../../harness/comparison.ts'
import { constantExamples } from '../../../src/core/learn/compress.ts'
import { templateKeyOf } from '../../../src/core/template/template-key.ts'
import type { Template } from '../../../src/core/template/template.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../src/random.ts'
import type { MatchedExchange } from '../../../src/worker/exchanges/exchanges.ts'
import { matching, type Recognize } from '../../harness/adapted.ts'
import { loadTask, readRows, renderRequest, type Task, type TaskRow } from '../../harness/data.ts'
import { isRight } from '../../task/arms.ts'
import { exchangeOf, type Subject } from './subject.ts'

const MODEL = 'application'
const TENANT = 'bench'
/** Requests that the detector sees. */
const OBSERVED = 400

/** @throws Error when the requests have no template in common */
const detectTemplate = (task: Task, name: string): Template => {
  const detector = new Detector()
  const requests = task.train.slice(0, OBSERVED).map((row) => renderRequest(task, row, MODEL))
  requests.forEach((request, at) =>
    detector.observe({
      key: templateKeyOf(request, { tenant: TENANT }),
      messages: request.messages,
      response: task.train[at]!.answer,
      at,
    })
  )
  const recognized = (template: Template): number => {
    const match = matching(template)
    return requests.filter((request) => match(request) !== null).length
  }
  const [best] = detector
    .candidates()
    .map((template) => ({ template, requests: recognized(template) }))
    .toSorted((a, b) => b.requests - a.requests)
  if (best === undefined || best.requests < requests.length / 2)
    throw new Error(`the requests of ${name} have no template in common`)
  return best.template
}

const exchangesOf = (task: Task, rows: TaskRow[], match: Recognize): MatchedExchange[] =>
  rows.flatMap((row) => {
    const request = renderRequest(task, row, MODEL)
    const matched = match(request)
    return matched === null
      ? []
      : [exchangeOf(row.meta.id, { match: matched, request, answer: row.answer })]
  })

const testRows = (folder: string): TaskRow[] => {
  const test = join(folder, 'test.jsonl')
  return readRows(existsSync(test) ? test : join(folder, 'valid.jsonl'))
}

/** @param test questions to test with, at most */
export const taskSubject = (folder: string, test: number): Subject => {
  const name = basename(folder)
  const task = loadTask(folder, undefined)
  const template = detectTemplate(task, name)
  const own = constantExamples(template)
  const match = matching(template)
  const tested = testRows(folder)
  const asked = new Set(tested.map(({ query }) => query))
  const pool = exchangesOf(
    task,
    task.train.filter(({ query }) => !asked.has(query)),
    match
  )
  const rows = new Map(tested.map((row) => [row.meta.id, row]))
  const comparison = comparisonOf(task.train.map(({ answer }) => answer))
  return {
    name,
    template,
    examples: own.length > 0 ? own : null,
    train: (seed) => shuffle([...pool], seededRandom(deriveSeed(seed, 1))),
    test: exchangesOf(task, tested, match).slice(0, test),
    isRight: (answer, { id }) => isRight(comparison, answer, rows.get(id)!),
  }
}
