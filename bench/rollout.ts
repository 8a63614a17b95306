/**
 * Does the evidence of pairs, and of users' feedback, keep its guarantee, and how soon does it decide? Streams of pairs whose loss is
 * known are read by the product's own functions (`src/core/rollout`). Where the numbers of pairs and losses
 * decide alone, the chances are computed. `npm run bench:rollout -- --out file.json`
 */
import { createProgress } from '../src/cli/output.ts'
import { longRandom } from './gate/random.ts'
import { formatFigures, type Figures } from '../test/kit/report.ts'
import { measureBorder } from './rollout/border.ts'
import { measureConversations } from './rollout/conversations.ts'
import { measureFalseAlarms } from './rollout/false-alarms.ts'
import { measureOutcomes } from './rollout/outcomes.ts'
import { measureRises } from './rollout/rises.ts'
import type { Run } from './rollout/run.ts'
import { measureNarrowing } from './rollout/narrowing.ts'
import { measureSecondAnswers } from './rollout/second-answers.ts'
import { measureSpeed } from './rollout/speed.ts'
import { measureSteady } from './rollout/steady.ts'
import { measureWithheld } from './rollout/withheld.ts'
import { runParts } from './harness/measure.ts'
import { optional, partsOf, readOptions } from './harness/options.ts'

const PARTS: Record<string, (run: Run) => Promise<Figures>> = {
  speed: measureSpeed,
  rises: measureRises,
  conversations: measureConversations,
  'second-answers': measureSecondAnswers,
  steady: measureSteady,
  border: measureBorder,
  narrowing: measureNarrowing,
  withheld: measureWithheld,
  outcomes: measureOutcomes,
  'false-alarms': measureFalseAlarms,
}

const args = readOptions({
  parts: optional,
  // streams of each setting; a false alarm at a bound takes ten times as many
  draws: 2000,
  seed: 20261128,
})
const { draws, seed } = args
const progress = createProgress()
const figures = await runParts(partsOf(args.parts, PARTS), args.out, async (name, save) => {
  save({
    draws: { value: draws, unit: 'streams of a setting' },
    seed: { value: seed, unit: 'of each part' },
    ...(await PARTS[name]!({ draws, random: longRandom(seed), progress })),
  })
})
progress.stop()
process.stdout.write(`${formatFigures(figures)}\n`)
