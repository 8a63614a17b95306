/** Compares the learned models with other ways to answer the task: latencies, and the accuracy of each arm. */
import { percent } from '../../src/core/figure-text.ts'
import {
  winningLora,
  type Internalization,
} from '../../src/core/internalization/internalization.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { isUnfinished } from '../../src/openai/fine-tuning.ts'
import { adaptedMessages, matching } from '../../test/kit/model/adapted.ts'
import { comparisonOf } from '../../test/kit/model/comparison.ts'
import { answerMs, measureLatencies } from '../../test/kit/model/latency.ts'
import { spread, type Figures } from '../../test/kit/report.ts'
import { recognizedOf, runArm, type ArmContext, type BenchArm } from './arms.ts'
import type { TaskEngine } from './engines.ts'
import { latencyFigures, type Rendered } from './figures.ts'

const LATENCY_ROUNDS = 15
const ARM_FIGURES: Record<BenchArm, string> = {
  'base-full': 'accuracy_base_full',
  'base-query': 'accuracy_base_query',
  'query-only': 'accuracy_query_only_arm',
  schedule: 'accuracy_promptintern',
}

export interface Comparison {
  taskEngine: TaskEngine
  dataDir: string
  internalization: Internalization
  template: Template
  test: Rendered
  arms: BenchArm[]
  /** most rows that an arm is asked, and one with the whole prompt */
  most: { armRows: number; fullPromptRows: number }
  onArm: (arm: BenchArm, result: string | null) => void
}

/** An interrupted run may have left a job, which would train during the measurements. */
const cancelLeftovers = async (engine: Engine): Promise<void> => {
  for (const job of await engine.findJobs({})) if (isUnfinished(job)) await engine.cancelJob(job.id)
}

/** Latencies of the head, and of the winner against the whole prompt of the base model. */
const latencies = async ({
  engine,
  match,
  internalization,
  requests,
}: ArmContext): Promise<Figures> => {
  const { baseModel: base, answers, arms } = internalization.plan!
  const asked = requests.slice(0, LATENCY_ROUNDS)
  const head = arms.findLast(({ encoder }) => encoder !== undefined)?.results.at(-1)?.lora
  const winner = winningLora(internalization)
  const figures: Figures = {}
  if (head !== undefined) {
    const answered = await answerMs(engine, head, asked.map(adaptedMessages(match)))
    figures.head_answer_ms = spread(answered, 'ms')
  }
  if (winner !== null) {
    const models = { base, lora: winner, labels: answers.labels }
    const measured = await measureLatencies(engine, models, asked, adaptedMessages(match))
    Object.assign(figures, latencyFigures(measured))
  }
  return figures
}

/** Arms and latencies, asked at an engine of their own on the same loras. */
export const compare = async (input: Comparison): Promise<Figures> => {
  const { internalization, template, test, most, onArm } = input
  const { engine, close } = await input.taskEngine.open(input.dataDir)
  const match = matching(template)
  const rowsOf = (arm: BenchArm) =>
    recognizedOf(match, test, most[arm === 'base-full' ? 'fullPromptRows' : 'armRows'])
  const context: ArmContext = {
    engine,
    template,
    match,
    internalization,
    comparison: comparisonOf(test.rows.map((row) => row.answer)),
    ...recognizedOf(match, test),
  }
  try {
    await cancelLeftovers(engine)
    const figures = await latencies(context)
    for (const arm of input.arms) {
      onArm(arm, null)
      const asked = rowsOf(arm)
      const value = await runArm(arm, { ...context, ...asked })
      onArm(arm, value === null ? 'not trained' : percent(value))
      if (value === null) continue
      figures[ARM_FIGURES[arm]] = { value, unit: 'share' }
      figures[arm === 'base-full' ? 'full_prompt_rows' : 'arm_rows'] = {
        value: asked.rows.length,
        unit: 'rows',
      }
    }
    return figures
  } finally {
    await close()
  }
}
