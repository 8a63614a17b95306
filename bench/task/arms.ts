/**
 * The comparisons beside the product: the base model and the loras of one internalization, asked
 * directly at the engine. Accuracy is exact agreement with the gold answer or one of its alternatives,
 * after the normalization of the task's response type.
 */
import { agree, type Comparison } from '../../src/core/answer/agreement.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'
import { adaptedMessages, type Recognize } from '../../test/kit/model/adapted.ts'
import type { TaskRow } from '../harness/data.ts'
import { inLanes } from '../../test/kit/traffic/lanes.ts'

export const isRight = (comparison: Comparison, answer: string, row: TaskRow): boolean =>
  [row.answer, ...(row.meta.alt_answers ?? [])].some((right) => agree(comparison, answer, right))

export interface AskedRows {
  rows: TaskRow[]
  requests: ChatRequest[]
}

/** Only requests that the template matches: arms get no others. */
export interface ArmContext extends AskedRows {
  engine: Engine
  template: Template
  match: Recognize
  internalization: Internalization
  comparison: Comparison
}

/** The first `count` requests that the template recognizes, with their rows. */
export const recognizedOf = (
  match: Recognize,
  { rows, requests }: AskedRows,
  count = Infinity
): AskedRows => {
  const places = [...requests.keys()].filter((place) => match(requests[place]!) !== null)
  const taken = places.slice(0, count)
  return {
    rows: taken.map((place) => rows[place]!),
    requests: taken.map((place) => requests[place]!),
  }
}

const PARALLEL = 8

const accuracy = async (
  context: ArmContext,
  model: string,
  messagesOf: (request: ChatRequest) => ChatMessage[],
  labels: string[] | null
): Promise<number> => {
  let right = 0
  await inLanes(PARALLEL, context.rows, async (row, index) => {
    const request = context.requests[index]!
    const completion = await context.engine.complete({
      model,
      messages: messagesOf(request),
      temperature: 0,
      max_tokens: request.max_tokens ?? 256,
      ...(labels === null ? {} : { structured_outputs: { choice: labels } }),
    })
    const answer = String(completion.choices[0]?.message.content ?? '')
    if (isRight(context.comparison, answer, row)) right++
  })
  return right / context.rows.length
}

const loraOf = (context: ArmContext, name: string): string | null => {
  const arm = context.internalization.plan!.arms.find((candidate) => candidate.name === name)
  return arm?.results.at(-1)!.lora ?? null
}

export const ARMS = ['base-full', 'base-query', 'query-only', 'schedule'] as const
export type BenchArm = (typeof ARMS)[number]

/** @returns the share of rows answered right; null for an arm that the product left out */
export const runArm = async (arm: BenchArm, context: ArmContext): Promise<number | null> => {
  const { baseModel, answers } = context.internalization.plan!
  const { labels } = answers
  switch (arm) {
    case 'base-full':
      return accuracy(context, baseModel, (request) => request.messages, null)
    case 'base-query':
      return accuracy(context, baseModel, adaptedMessages(context.match), null)
    case 'query-only':
    case 'schedule': {
      const lora = loraOf(context, arm)
      return lora === null ? null : accuracy(context, lora, adaptedMessages(context.match), labels)
    }
  }
}
