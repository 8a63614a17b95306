/** Which head can learn the answers, labels or fields, and how many of the requests it would not read whole. */
import { targetOf, textsOf } from '../../core/answer/outcome.ts'
import { rowsUntilLabels } from '../../core/answer/response-type.ts'
import { validationCount, type Population } from '../../core/internalization/internalization.ts'
import { reasonOf, type ReasonOf } from '../../core/reason.ts'
import { sayReason } from '../../core/reasons/say-reason.ts'
import type { HeadName } from '../../core/learn/schedule.ts'
import { EMPTY_PROMPT, studentMessages } from '../../core/template/prompt.ts'
import type { Engine } from '../../engine/engine.ts'
import type { ModelObject } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { fitsContext, type PlannedRows, type PlanRefusal } from './rows.ts'

type Obstacle = ReasonOf<
  'not-labels' | 'labels-not-shown' | 'no-encoder' | 'one-label' | 'no-label-head'
>

/** Those that the log tells: a head is expected where the answers are labels, or may be. */
const TOLD: ReadonlySet<Obstacle['code']> = new Set(['labels-not-shown', 'one-label'])

/** Of answers that are not a closed list of labels, or not yet. */
const unlikeLabels = ({ train, isListed }: PlannedRows, hasLoras: boolean): Obstacle => {
  const answers = textsOf(train)
  const missing = rowsUntilLabels(answers, isListed)
  if (missing === null) return reasonOf('not-labels', { hasLoras })
  const counts = { answers: answers.length, values: new Set(answers).size }
  return reasonOf('labels-not-shown', { ...counts, missing, hasLoras })
}

const labelHead = (rows: PlannedRows, { encoder, hasLoras }: Trainable): PlannedHead | Obstacle => {
  const { train, responseType } = rows
  if (responseType !== 'label') return unlikeLabels(rows, hasLoras)
  if (encoder === null) return reasonOf('no-encoder', { hasLoras })
  const learned = train.slice(0, train.length - validationCount(train.length))
  if (new Set(learned.map(({ outcome }) => targetOf(outcome))).size > 1)
    return { name: 'label-head', encoder }
  return reasonOf('one-label', { hasLoras })
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
  const head = labelHead(rows, { encoder, hasLoras })
  if ('encoder' in head && isWanted) return head
  const refused = 'encoder' in head ? reasonOf('no-label-head', { hasLoras }) : head
  const isBesideLoras = hasLoras && isWanted && config.arms.length > 1
  if (TOLD.has(refused.code) && encoder !== null && isBesideLoras)
    log({ level: 'warn', message: `no label head is trained: ${sayReason(refused).says}` })
  return { encoder: null, refused }
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
