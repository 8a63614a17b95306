/**
 * Does the evidence of pairs, and of users' feedback, keep its guarantee, and how soon does it decide? Streams of pairs whose loss is
 * known are read by the product's own functions (`src/core/rollout`). Where the numbers of pairs and losses
 * decide alone, the chances are computed. `npm run bench:rollout -- --out file.json`
 */
import { parseArgs } from 'node:util'
import { createProgress } from '../src/cli/output.ts'
import { longRandom } from './gate/random.ts'
import { formatFigures, writeReport, type Figures } from '../test/kit/report.ts'
import { measureConversations } from './rollout/conversations.ts'
import { measureFalseAlarms } from './rollout/false-alarms.ts'
import { measureOutcomes } from './rollout/outcomes.ts'
import { measureRises } from './rollout/rises.ts'
import type { Run } from './rollout/run.ts'
import { measureSecondAnswers } from './rollout/second-answers.ts'
import { measureSpeed } from './rollout/speed.ts'
import { measureSteady } from './rollout/steady.ts'

const PARTS: Record<string, (run: Run) => Promise<Figures>> = {
  speed: measureSpeed,
  rises: measureRises,
  conversations: measureConversations,
  'second-answers': measureSecondAnswers,
  steady: measureSteady,
  outcomes: measureOutcomes,
  'false-alarms': measureFalseAlarms,
}

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      /** names of parts, all unless given */
      parts: { type: 'string', default: Object.keys(PARTS).join() },
      /** streams of each setting; a false alarm at a bound takes ten times as many */
      draws: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '20261128' },
    },
  })
  const parts = values.parts.split(',')
  const unknown = parts.filter((name) => PARTS[name] === undefined)
  if (unknown.length > 0) throw new RangeError(`no part ${unknown.join(', ')}`)
  const [draws, seed] = [Number(values.draws), Number(values.seed)]
  const progress = createProgress()
  const figures: Figures = {
    draws: { value: draws, unit: 'streams of a setting' },
    seed: { value: values.seed, unit: 'of each part' },
  }
  for (const name of parts) {
    Object.assign(figures, await PARTS[name]!({ draws, random: longRandom(seed), progress }))
    // after each part, so that a run that is stopped keeps what it has
    if (values.out !== undefined) writeReport(values.out, figures)
  }
  progress.stop()
  process.stdout.write(`${formatFigures(figures)}\n`)
}

await main()
