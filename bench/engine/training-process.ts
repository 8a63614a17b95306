/**
 * One process of `engine.ts`: milliseconds a row that training takes, as one line of JSON.
 *
 *   tsx bench/engine/training-process.ts <model> <cache folder>
 */
import type { FrozenModel } from '../../adapters/onnx/train/weights-file.ts'
import { spread } from '../report.ts'
import { milliseconds, openModel, openTrainer, randomRows } from '../training/trainer.ts'
import { STEPS, TRAINING } from './workload.ts'

type Workload = (typeof TRAINING)['short' | 'prompted' | 'packed']

/** In the median of some steps, after one that builds what it needs. */
const msPerRow = async (
  model: FrozenModel,
  workload: Workload,
  isPacked: boolean
): Promise<number> => {
  const { rows: count, prefixTokens, promptTokens, completionTokens } = workload
  const rows = randomRows(workload)
  const sharedTokens = isPacked ? prefixTokens : 0
  const longest = prefixTokens + promptTokens + completionTokens
  const trainer = await openTrainer(model, sharedTokens, longest)
  const batch = trainer.pack(rows)
  await trainer.step(batch)
  const times: number[] = []
  for (let step = 0; step < STEPS; step++)
    times.push((await milliseconds(() => trainer.step(batch))) / count)
  await trainer.close()
  return Number(spread(times, 'ms').value)
}

const [path, cacheDir] = process.argv.slice(2)
const model = await openModel(path, cacheDir!, 0)
console.log(
  JSON.stringify({
    short: await msPerRow(model, TRAINING.short, false),
    prompted: await msPerRow(model, TRAINING.prompted, false),
    packed: await msPerRow(model, TRAINING.packed, true),
  })
)
