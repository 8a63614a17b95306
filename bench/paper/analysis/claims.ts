/**
 * The claims that are tested, and the rule of their verdicts. Both were written before the first run.
 * Pure.
 */
import { LINEAR, REFERENCE } from '../arms.ts'
import type { Interval } from './intervals.ts'

/** Smallest difference of accuracies that matters, in points. */
export const SMALLEST_DIFFERENCE = 3
/** Of the intervals, two-sided. */
export const LEVEL = 0.95

export type Verdict = 'holds' | 'does not hold' | 'cannot be told'

export interface Claim {
  name: string
  text: string
  /** the arms whose accuracies are compared: `arm` − `other` */
  arm: string
  other: string
  /** `better`: by a difference that matters; `as-good`: not worse by a difference that matters */
  kind: 'better' | 'as-good'
  /** where the claim is from */
  source: 'paper' | 'SKIntern' | 'TriMPI' | 'Prompt Baking'
  /** rows to train on; null: those on which every training is compared */
  exchanges: number | null
}

const claim = (
  name: string,
  [arm, kind, other]: [string, Claim['kind'], string],
  source: Claim['source'],
  text: string
): Claim => ({ name, text, arm, other, kind, source, exchanges: null })

const PROGRESSIVE_TEXT = 'Four linear stages are better than training without the prompt'

const CLAIMS: readonly Claim[] = [
  claim('progressive', [LINEAR, 'better', REFERENCE], 'paper', PROGRESSIVE_TEXT),
  claim(
    'progressive_restarts',
    ['linear_4_restarts', 'better', REFERENCE],
    'paper',
    `${PROGRESSIVE_TEXT}, with a learning rate that rises again in each stage`
  ),
  claim(
    'keeps_accuracy',
    [LINEAR, 'as-good', 'full_prompt'],
    'paper',
    'Without the prompt it is as good as trained and served with it'
  ),
  claim(
    'linear_beats_exponential',
    [LINEAR, 'better', 'exponential_4'],
    'paper',
    'Linear is better than exponential'
  ),
  claim(
    'linear_beats_inverse_exponential',
    [LINEAR, 'better', 'inverse_exponential_4'],
    'paper',
    'Linear is better than inverse-exponential'
  ),
  claim(
    'four_stages_beat_two',
    [LINEAR, 'better', 'linear_2'],
    'SKIntern',
    'Four stages are better than two'
  ),
  claim(
    'removal_needs_training',
    [LINEAR, 'better', 'full_prompt_removed'],
    'TriMPI',
    'It is better than training with the prompt and removing it afterwards'
  ),
  claim(
    'examples_fall',
    [LINEAR, 'better', 'examples_constant'],
    'paper',
    'Falling examples are better than constant ones that are dropped'
  ),
  claim(
    'template_helps',
    [LINEAR, 'better', 'compression_0'],
    'paper',
    'With the template in the first stages it is better than with examples alone'
  ),
  ...(['0_9', '0_6', '0_3'] as const).map((share) =>
    claim(
      `compression_${share}_keeps`,
      [`compression_${share}`, 'as-good', LINEAR],
      'paper',
      `A first stage with ${share.replace('_', '.')} of the template is as good as one with all of it`
    )
  ),
  claim(
    'effect_beats_random',
    [LINEAR, 'better', 'random_dropping'],
    'paper',
    'Dropping sentences by effect is better than at random'
  ),
  claim(
    'self_distillation',
    ['self_distillation', 'better', REFERENCE],
    'Prompt Baking',
    'Self-distillation is better than supervised training'
  ),
]

/** All claims; the main one also for other numbers of rows. */
export const claimsFor = (mainExchanges: readonly number[]): Claim[] => [
  ...CLAIMS,
  ...mainExchanges.map((exchanges): Claim => ({
    ...CLAIMS[0]!,
    name: `progressive_${exchanges}`,
    text: `${PROGRESSIVE_TEXT}, ${exchanges} exchanges`,
    exchanges,
  })),
]

/**
 * `better` holds when the interval is above 0 and the mean difference matters; it does not hold when
 * the interval has no difference that matters. `as-good` holds when the interval has no loss that
 * matters; it does not hold when the interval is below 0 and the mean loss matters.
 * @param difference points, arm − other; null when there is no interval
 */
export const verdictOf = (kind: Claim['kind'], difference: Interval | null): Verdict => {
  if (difference === null) return 'cannot be told'
  const { mean, low, high } = difference
  if (kind === 'better') {
    if (low > 0 && mean >= SMALLEST_DIFFERENCE) return 'holds'
    return high < SMALLEST_DIFFERENCE ? 'does not hold' : 'cannot be told'
  }
  if (low > -SMALLEST_DIFFERENCE) return 'holds'
  return high < 0 && mean <= -SMALLEST_DIFFERENCE ? 'does not hold' : 'cannot be told'
}
