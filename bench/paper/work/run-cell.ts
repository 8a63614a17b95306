/** Computes one cell: trains its stages, asks the test questions, and deletes its files and loras. */
import { sentencesOf } from '../../../src/core/learn/compress.ts'
import {
  EMPTY_PROMPT,
  studentMessages,
  type StagePrompt,
} from '../../../src/core/template/prompt.ts'
import type { ChatMessage } from '../../../src/openai/chat.ts'
import type { TrainingMethod } from '../../../src/openai/fine-tuning.ts'
import type { MatchedExchange } from '../../../src/worker/exchanges/exchanges.ts'
import { stageRows } from '../../../src/worker/exchanges/stage-rows.ts'
import { inLanes } from '../../harness/lanes.ts'
import { BASE_ARMS, TRAININGS, type Served } from '../arms.ts'
import { cellArms, isTrained, type Cell, type CellResult, type StageResult } from '../cells.ts'
import { secondsOf } from '../stages.ts'
import { train } from './engine-job.ts'
import {
  cellRows,
  planCell,
  teacherSeconds,
  type CellContext,
  type CellRows,
  type PlannedStage,
} from './plan-cell.ts'

const ASK_LANES = 8
const MAX_TOKENS = 256

interface Trained {
  lora: string
  result: StageResult
}

interface StageInput {
  /** where the stage starts: the base model or a lora */
  model: string
  method: TrainingMethod
  seed: number
  rows: CellRows
}

const trainStage = async (
  { engine }: CellContext,
  stage: PlannedStage,
  { model, method, seed, rows }: StageInput
): Promise<Trained> => {
  const { text, hyperparameters, templateShare, measuredRate, promptTokens } = stage
  // a row must not find its own answer in its prompt
  const exchanges =
    text.examples.length > 0
      ? rows.exchanges.filter(({ id }) => !rows.shown.shownIds.has(id))
      : rows.exchanges
  const job = await train(engine, {
    model,
    rows: stageRows(exchanges, text, { retrieved: 0, method }),
    method,
    hyperparameters,
    seed,
  })
  const { steps, seconds, train_loss: trainLoss } = job.result_metrics!
  return {
    lora: job.fine_tuned_model!,
    result: {
      templateShare,
      measuredRate,
      examples: text.examples.length,
      promptTokens,
      steps,
      rows: exchanges.length,
      seconds,
      trainLoss,
      trainedTokens: job.trained_tokens ?? 0,
    },
  }
}

interface Asked {
  /** one character a test question: 1 right, 0 wrong */
  right: string
  /** natural log-probability of each answer */
  confidences: number[]
}

/** No arm gets a list of possible answers: it would tell one that never saw the prompt what is in it. */
const ask = async (
  { engine, subject }: CellContext,
  model: string,
  messagesOf: (exchange: MatchedExchange) => ChatMessage[]
): Promise<Asked> => {
  const right: string[] = []
  const confidences: number[] = []
  await inLanes(ASK_LANES, subject.test, async (exchange, at) => {
    const completion = await engine.complete({
      model,
      messages: messagesOf(exchange),
      temperature: 0,
      max_tokens: exchange.request.max_tokens ?? MAX_TOKENS,
      logprobs: true,
    })
    const choice = completion.choices[0]
    const tokens = choice?.logprobs?.content ?? []
    right[at] = subject.isRight(String(choice?.message.content ?? ''), exchange) ? '1' : '0'
    confidences[at] = Number(tokens.reduce((sum, { logprob }) => sum + logprob, 0).toFixed(5))
  })
  return { right: right.join(''), confidences }
}

const askArms = async (
  context: CellContext,
  cell: Cell,
  lora: string,
  { shown }: CellRows
): Promise<Pick<CellResult, 'right' | 'confidences'>> => {
  const sentences = sentencesOf(context.subject.template)
  const prompts: Record<Served, StagePrompt> = {
    query: EMPTY_PROMPT,
    prompt: {
      template: sentences.map(({ text }) => text).join(''),
      constantExamples: shown.examples,
      retrievedExamples: [],
    },
  }
  const right: Record<string, string> = {}
  let confidences: number[] = []
  for (const [served, arm] of Object.entries(cellArms(cell)) as [Served, string][]) {
    const asked = await ask(context, lora, ({ match }) => studentMessages(match, prompts[served]))
    right[arm] = asked.right
    confidences = asked.confidences
  }
  return cell.matching === 'curve' ? { right, confidences } : { right }
}

/** The base model gets the request as the application sends it, or the query alone. */
const runBase = async (context: CellContext, cell: Cell): Promise<CellResult> => {
  const { base } = context
  const prompt = await ask(context, base.id, ({ request }) => request.messages)
  const query = await ask(context, base.id, ({ match }) => studentMessages(match, EMPTY_PROMPT))
  const right = { [BASE_ARMS.prompt]: prompt.right, [BASE_ARMS.query]: query.right }
  return { ...cell, stages: [], plannedSeconds: 0, promptTokensRead: 0, right }
}

export const runCell = async (context: CellContext, cell: Cell): Promise<CellResult> => {
  if (!isTrained(cell)) return runBase(context, cell)
  const { engine, base, prepared } = context
  const training = TRAININGS[cell.training]
  const rows = cellRows(context, cell)
  const planned = await planCell(context, cell, rows)
  const trained: Trained[] = []
  for (const stage of planned) {
    const model = trained.at(-1)?.lora ?? base.id
    const { method } = training
    trained.push(await trainStage(context, stage, { model, method, seed: cell.seed, rows }))
  }
  const asked = await askArms(context, cell, trained.at(-1)!.lora, rows)
  for (const lora of new Set(trained.map((stage) => stage.lora))) await engine.deleteModel(lora)
  const stages = trained.map(({ result }) => result)
  const steps = stages.map((stage) => stage.steps)
  const batchSize = planned[0]!.hyperparameters.batch_size!
  return {
    ...cell,
    stages,
    plannedSeconds:
      secondsOf(planned, steps, prepared.costs) + teacherSeconds(training, prepared, rows),
    promptTokensRead: stages.reduce(
      (sum, stage) => sum + stage.steps * batchSize * (stage.promptTokens + prepared.queryTokens),
      0
    ),
    ...asked,
  }
}
