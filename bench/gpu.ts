/** One part of `bench/gpu.sh`, which has the options and says what each part is. */
import { resolve } from 'node:path'
import { writeReport, formatFigures, type Figures } from '../test/kit/report.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import { buildGpuPrograms } from '../test/kit/process/gpu-process.ts'
import { checkAll } from './gpu/check.ts'
import { runContract, runCrash, runLoop, runTests } from './gpu/other-benches.ts'
import { measureServing } from './gpu/serving.ts'
import { measureTraining } from './gpu/training.ts'
import type { PartContext } from './gpu/part-context.ts'
import { inFolder } from './harness/measure.ts'
import { optional, readOptions } from './harness/options.ts'

const PARTS: Record<string, (context: PartContext) => Promise<Figures>> = {
  check: checkAll,
  training: measureTraining,
  serving: measureServing,
  tests: runTests,
  contract: runContract,
  loop: runLoop,
  crash: runCrash,
}

const args = readOptions({
  part: optional,
  // folders of base models, the smallest first, separated by commas
  models: optional,
  task: optional,
  dryRun: false,
})

const part = PARTS[args.part ?? '']
if (part === undefined) throw new Error(`--part takes one of ${Object.keys(PARTS).join(', ')}`)
const models = args.dryRun ? [fromRoot('models/tiny')] : (args.models ?? '').split(',')
buildGpuPrograms()
const figures = await inFolder('gpu', (folder) =>
  part({
    folder,
    models: models.map((model) => resolve(model)),
    task: args.task === undefined ? null : resolve(args.task),
    isDry: args.dryRun,
  })
)
process.stdout.write(`${formatFigures(figures)}\n`)
if (args.out !== undefined) writeReport(args.out, figures)
// a figure that misses its bar is a result; a check that fails is none
if (args.part === 'check' && Object.values(figures).some(({ holds }) => holds === false))
  process.exitCode = 1
