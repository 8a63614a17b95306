/** Which head can learn the answers, labels or fields, and how many of the requests it would not read whole. */
import { targetOf, textOf } from '../../core/answer/outcome.ts'
import { rowsUntilLabels } from '../../core/answer/response-type.ts'
import { validationCount, type Population } from '../../core/internalization/internalization.ts'
import type { HeadName } from '../../core/learn/schedule.ts'
import { EMPTY_PROMPT, studentMessages } from '../../core/template/prompt.ts'
import type { Engine } from '../../engine/engine.ts'
import type { ModelObject } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { fitsContext, type PlannedRows, type PlanRefusal } from './rows.ts'

interface Obstacle {
  reason: string
  /** what helps, beside loras */
  remedy?: string
  /** whether the log tells it: a head is expected where the answers are labels, or may be */
  isTold: boolean
}

/** Of answers that are not a closed list of labels, or not yet. */
const unlikeLabels = ({ train, isListed }: PlannedRows): Obstacle => {
  const answers = train.flatMap(({ outcome }) => textOf(outcome) ?? [])
  const missing = rowsUntilLabels(answers, isListed)
  if (missing === null)
    return { reason: 'the answers are not labels, and a head learns only labels', isTold: false }
  return {
    reason:
      `${answers.length} answers to learn from have ${new Set(answers).size} different, recurring values: ` +
      `about ${missing} more rows would show whether these are a closed list of labels`,
    remedy: 'log more traffic',
    isTold: true,
  }
}

const labelHead = (rows: PlannedRows, encoder: ModelObject | null): PlannedHead | Obstacle => {
  const { train, responseType } = rows
  if (responseType !== 'label') return unlikeLabels(rows)
  if (encoder === null)
    return {
      reason: 'the engine has no encoder for a head',
      remedy: 'set ENCODER_PATH',
      isTold: false,
    }
  const learned = train.slice(0, train.length - validationCount(train.length))
  if (new Set(learned.map(({ outcome }) => targetOf(outcome))).size > 1)
    return { name: 'label-head', encoder }
  return {
    reason: 'all answers to learn from are the same, and a head needs two labels',
    isTold: true,
  }
}

const NO_LABEL_HEAD: Obstacle = {
  reason: 'the answers are labels, and ARMS has no label-head',
  remedy: 'add it',
  isTold: false,
}

interface Trainable {
  /** null: the engine has none */
  encoder: ModelObject | null
  /** whether the engine has a model to train loras on */
  hasLoras: boolean
}

export interface PlannedHead {
  name: HeadName
  encoder: ModelObject
}

/**
 * The head of `ARMS` that can learn the answers, or the reason why there is none, for an internalization
 * that has no other arm. The log tells it where loras compete alone.
 */
export const planHead = (
  { config, log }: WorkerDeps,
  rows: PlannedRows,
  { encoder, hasLoras }: Trainable
): PlannedHead | (PlanRefusal & { encoder: null }) => {
  if (rows.form !== null) return { name: 'field-head', encoder: encoder! }
  const isWanted = config.arms.includes('label-head')
  const head = labelHead(rows, encoder)
  if ('encoder' in head && isWanted) return head
  const { reason, remedy, isTold } = 'encoder' in head ? NO_LABEL_HEAD : head
  const isBesideLoras = hasLoras && isWanted && config.arms.length > 1
  if (isTold && encoder !== null && isBesideLoras)
    log({ level: 'warn', message: `no label head is trained: ${reason}` })
  const loras = hasLoras ? 'enable loras (ARMS)' : 'set a base model for loras (MODEL_PATH)'
  const remedies = [...(remedy === undefined ? [] : [remedy]), loras]
  return { encoder: null, refused: `${reason}: ${remedies.join(', or ')}` }
}

/**
 * @returns absent where the encoder reads all training rows whole
 */
export const cutByHead = async (
  { log }: WorkerDeps,
  engine: Engine,
  head: PlannedHead | { encoder: null },
  train: readonly MatchedExchange[]
): Promise<Pick<Population, 'cutByHead'>> => {
  // a field head reads longer ones in windows
  if (head.encoder === null || head.name === 'field-head') return {}
  const { encoder } = head
  let rows = 0
  for (const { match } of train)
    if (!(await fitsContext(engine, encoder, studentMessages(match, EMPTY_PROMPT)))) rows++
  if (rows === 0) return {}
  const tokens = encoder.max_model_len!
  log({
    level: 'warn',
    message:
      `${rows} of ${train.length} training rows are longer than the ${tokens} tokens that ${encoder.id} ` +
      'reads: a label head sees only their beginning',
  })
  return { cutByHead: { rows, tokens } }
}
