/**
 * What a lora changed on a given text when training ended, kept beside it, and whether a server's
 * answers agree. Knows nothing of how either computes.
 *
 * The texts are made up: a row of training would show more, but it belongs to a user, and would lie here
 * for as long as the lora.
 *
 * Changes are compared and not values: another kernel or a base in fewer bits says everything a little
 * differently, with and without the lora, and what both share drops out. What does not drop out is as
 * large as the difference of the base model's own values between training and server, which is measured
 * on the same tokens: a fixed allowance refuses weak loras where kernels differ by more.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { storageError } from '../host/disk.ts'
import type { StoredLora } from '../lora/lora-file.ts'
import type { BaseModel } from '../model/open-model.ts'
import type { ChatRenderer, RenderedRow } from '../text/chat-renderer.ts'

export const PROBE = 'probe.json'

const QUESTION = 'What is the answer to this question?'
/** A lora that learned to answer in its own way finds some of these less likely than before. */
const ANSWERS = ['Yes.', 'I do not know what you mean.', '{"answer": 1}', 'other']

export interface Probe {
  prompt_ids: number[]
  /** the answers' ids */
  completions: number[][]
  /** nats of every completion token, answer after answer, without the lora and with it */
  base: number[]
  lora: number[]
  /** what training computed in: `float32`, `bfloat16`, `bfloat16 4-bit` */
  placement: string
}

interface Tolerance {
  /** nats a token that rounding changes at least, should the measured noise be less by chance */
  leastNoise: number
  /** nats a token by which the base model may differ from training; more is another model */
  mostNoise: number
  /** of the change in training, by which the served one may differ */
  share: number
}

/** The coarsest first. */
const TOLERANCES: [string, Tolerance][] = [
  ['4-bit', { leastNoise: 0.05, mostNoise: 2, share: 0.5 }],
  ['bfloat16', { leastNoise: 0.02, mostNoise: 0.5, share: 0.25 }],
  ['float32', { leastNoise: 1e-3, mostNoise: 0.05, share: 0.02 }],
]

/**
 * Rounding moves training's change and the served one apart by √2 of what it moves the base model (two
 * independent differences against one); both are norms over some 20 tokens, whose squares' ratio is
 * below 4.3 in 999 of 1,000 cases (F with 20 and 20 degrees of freedom): √2 · √4.3 = 2.9
 */
const NOISE_RATIO = 3

/** @param placements of training and of serving; the coarsest decides */
export const toleranceOf = (...placements: string[]): Tolerance =>
  TOLERANCES.find(([kind]) => placements.join(' ').includes(kind))?.[1] ?? TOLERANCES.at(-1)![1]

/** The question with each of its answers, as a lora reads them; all have one prompt. */
export const probeRows = (chat: ChatRenderer): RenderedRow[] =>
  ANSWERS.map((content) =>
    chat.renderRow(
      {
        messages: [
          { role: 'user', content: QUESTION },
          { role: 'assistant', content },
        ],
      },
      { defaultSystem: false }
    )
  )

/**
 * Null beside loras that were trained without one, whose proof is weaker.
 * @throws AppError `invalid-model` for a file that is damaged, `store-unavailable`
 */
export const readProbe = async (folder: string): Promise<Probe | null> => {
  const path = join(folder, PROBE)
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null
    throw storageError(`${path} cannot be read`, cause)
  })
  if (text === null) return null
  try {
    const probe = JSON.parse(text) as Partial<Probe>
    const { prompt_ids: ids, completions, base, lora, placement } = probe
    if (ids && completions && base?.length && base.length === lora?.length && placement)
      return probe as Probe
  } catch {
    // said below
  }
  throw new AppError(
    'invalid-model',
    `${path} is damaged; without it the lora would be proved less strictly, which is allowed by deleting it`
  )
}

const changeOf = (base: readonly number[], lora: readonly number[]): number[] =>
  lora.map((value, at) => value - base[at]!)

const size = (change: readonly number[]): number => Math.hypot(...change)

/**
 * @param base the server's log-probabilities without the lora, `lora` with it
 * @returns why these cannot be the lora's; null when they may be. A lora that changes less than rounding
 * cannot be told from one that is not there
 */
export const contradiction = (
  probe: Probe,
  base: readonly number[],
  lora: readonly number[],
  tolerance: Tolerance
): string | null => {
  const served = changeOf(base, lora)
  const trained = changeOf(probe.base, probe.lora)
  if (served.length !== trained.length || !served.every(Number.isFinite))
    return 'it makes the model give log-probabilities that are not numbers'
  const drift = size(changeOf(probe.base, base))
  const root = Math.sqrt(trained.length)
  if (drift > tolerance.mostNoise * root)
    return `the base model differs from training by ${drift.toPrecision(3)} nats on its probe`
  const noise = Math.max(tolerance.leastNoise * root, NOISE_RATIO * drift)
  const apart = size(changeOf(trained, served))
  if (apart <= noise + tolerance.share * size(trained)) return null
  if (size(served) <= noise) return 'it changes nothing there'
  return `it changes its probe by ${size(served).toPrecision(3)} nats there and by ${size(trained).toPrecision(3)} in training, ${apart.toPrecision(3)} apart`
}

/**
 * Of a lora without a probe: whether its values differ from the base model's by no more than rounding,
 * which is how the base model's differ from themselves when it is asked `again`.
 */
export const changesNothing = (
  base: readonly number[],
  again: readonly number[],
  lora: readonly number[]
): boolean => size(changeOf(base, lora)) <= NOISE_RATIO * size(changeOf(base, again))

/** Log-probability of every completion token, by the base model's or a lora's name. */
type Nats = (model: string, prompt: number[], completion: number[]) => Promise<number[]>

/**
 * Why a lora that a server has loaded is not what was trained; null when it is. Its requests are also the
 * warm-up.
 * @param folder of the lora
 * @param dtype in which the server computes
 */
export const disproof = async (
  { name, layout, theta }: Pick<StoredLora, 'layout' | 'theta'> & { name: string },
  folder: string,
  base: BaseModel,
  dtype: string,
  nats: Nats
): Promise<string | null> => {
  // one after the other, each in a batch of its own: the proof is of the lora alone
  const all = async (model: string, prompt: number[], completions: number[][]) => {
    const values: number[] = []
    for (const completion of completions) values.push(...(await nats(model, prompt, completion)))
    return values
  }
  const probe = await readProbe(folder)
  if (probe !== null) {
    const { prompt_ids: prompt, completions, placement } = probe
    const without = await all(base.name, prompt, completions)
    const own = await all(name, prompt, completions)
    return contradiction(probe, without, own, toleranceOf(placement, dtype))
  }
  const rows = probeRows(base.chat)
  const asked = [rows[0]!.promptIds, rows.map(({ completionIds }) => completionIds)] as const
  const once = await all(base.name, ...asked)
  const again = await all(base.name, ...asked)
  const own = await all(name, ...asked)
  // one whose B is zero answers as the base model does
  const changes = layout.entries.some(
    ({ matrix, offset, length }) =>
      matrix === 'B' && theta.subarray(offset, offset + length).some((value) => value !== 0)
  )
  return changes && changesNothing(once, again, own) ? 'it changes nothing there' : null
}
