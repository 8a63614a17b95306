/** Latency and throughput of answers: the base model with the whole prompt, and a lora without it. */
import type { ChatRequest } from '../../src/openai/chat.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { spread, type Figures } from '../../test/kit/report.ts'
import { inLanes } from '../../test/kit/traffic/lanes.ts'
import { orderOf } from '../../test/kit/traffic/shelf-orders.ts'
import { percentile } from '../load/percentile.ts'
import {
  nameOf,
  orderRows,
  trainLora,
  withEngine,
  type PartContext,
  type StartedEngine,
} from './part-context.ts'

const TRAINING_ROWS = 200
/** sentences that make the prompt as long as those that are worth removing */
const PROMPT_REPEATS = 12
const MAX_TOKENS = 16
/** no further model is begun after so many seconds: vLLM compiles for a minute or two */
const LAST_START_SECONDS = 300

interface Plan {
  concurrency: number[]
  requestsALane: number
  rounds: number
  steps: number
}
const PLAN: Plan = { concurrency: [1, 16, 64], requestsALane: 12, rounds: 3, steps: 40 }
const DRY: Plan = { concurrency: [1, 2], requestsALane: 2, rounds: 1, steps: 2 }

/** The number makes each prompt's end another one, so that a prefix cache has nothing of it. */
const requestOf = (model: string, isWhole: boolean, number: number): ChatRequest => {
  const [system, user] = orderOf(number).messages
  const prompt = {
    role: 'system' as const,
    content: `${system!.content as string}\n`.repeat(PROMPT_REPEATS),
  }
  return {
    model,
    messages: isWhole ? [prompt, user!] : [user!],
    max_tokens: MAX_TOKENS,
    temperature: 0,
  }
}

interface Run {
  seconds: number
  /** milliseconds, ascending */
  latencies: number[]
}

const runLoad = async (client: Engine, requests: ChatRequest[], lanes: number): Promise<Run> => {
  const latencies: number[] = []
  const started = performance.now()
  await inLanes(lanes, requests, async (request) => {
    const asked = performance.now()
    await client.complete(request)
    latencies.push(performance.now() - asked)
  })
  const seconds = (performance.now() - started) / 1000
  return { seconds, latencies: latencies.sort((a, b) => a - b) }
}

const serve = async ({ client }: StartedEngine, plan: Plan): Promise<Figures> => {
  const job = await trainLora(client, orderRows(TRAINING_ROWS), plan.steps)
  if (job.fine_tuned_model === null) throw new Error(job.error?.message ?? job.status)
  const arms = { base: [job.model, true], lora: [job.fine_tuned_model, false] } as const
  let number = 0
  const runs = new Map<string, Run[]>()
  for (const lanes of plan.concurrency)
    // in turn, so that both see the same machine; the first round warms up
    for (let round = 0; round <= plan.rounds; round++)
      for (const [arm, [model, isWhole]] of Object.entries(arms)) {
        const requests = Array.from({ length: lanes * plan.requestsALane }, () =>
          requestOf(model, isWhole, number++)
        )
        const run = await runLoad(client, requests, lanes)
        const name = `${arm}_at_${lanes}`
        if (round > 0) runs.set(name, [...(runs.get(name) ?? []), run])
      }
  return Object.fromEntries(
    [...runs].flatMap(([name, own]) => {
      const latency = (share: number) => own.map(({ latencies }) => percentile(latencies, share))
      const rates = own.map(({ seconds, latencies }) => latencies.length / seconds)
      return [
        [`${name}_p50`, spread(latency(0.5), 'ms')],
        [`${name}_p95`, spread(latency(0.95), 'ms')],
        [`${name}_rate`, spread(rates, 'requests/s')],
      ]
    })
  )
}

export const measureServing = async (context: PartContext): Promise<Figures> => {
  const started = performance.now()
  const figures: Figures = {}
  for (const model of context.models) {
    const name = nameOf(model)
    if (performance.now() - started > 1000 * LAST_START_SECONDS) {
      figures[`${name}_skipped`] = { value: 'no time was left', unit: '' }
      continue
    }
    const plan = context.isDry ? DRY : PLAN
    const own = await withEngine(context, model, (engine) => serve(engine, plan))
    for (const [key, figure] of Object.entries(own)) figures[`${name}_${key}`] = figure
  }
  return figures
}
