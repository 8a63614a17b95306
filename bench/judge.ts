/**
 * Do the promises of a judged route hold? Simulated judges with known faults, candidates at the border, faults planted
 * into replies of a grammar, people's ratings, and facts without a judge.
 *
 *   npm run bench:judge -- [--out file.json] [--parts gate,admission,people,facts] [--draws 400] [--max-draws 4000]
 *     [--seed 20261201] [--pairs 400] [--facts-seed 1] [--rounds 200] [--show]
 *
 * `--show` prints the pairs whose facts are judged wrong.
 */
import type { Figures } from '../test/kit/report.ts'
import { formatFigures } from '../test/kit/report.ts'
import { print, type Run } from './gate/lines.ts'
import { longRandom } from './gate/random.ts'
import { runParts } from './harness/measure.ts'
import { optional, partsOf, readOptions } from './harness/options.ts'
import { measureAdmission } from './judge/admission-part.ts'
import { measureFacts } from './judge/facts-part.ts'
import { measureGate } from './judge/gate-part.ts'
import { measurePeople } from './judge/people-part.ts'

const args = readOptions({
  parts: optional,
  // of each setting; of the gate ten times as many where the limit is above the bar and nothing is computed
  draws: 400,
  maxDraws: 4000,
  seed: 20261201,
  // of the facts
  pairs: 400,
  factsSeed: 1,
  rounds: 200,
  show: false,
})

const allParts = (run: Run): Record<string, () => Figures> => ({
  gate: () => measureGate(run),
  admission: () => measureAdmission(run),
  people: measurePeople,
  facts: () => measureFacts({ ...args, seed: args.factsSeed }),
})

const { draws, maxDraws } = args
const parts = allParts({ draws, maxDraws, random: longRandom(args.seed) })
const figures = await runParts(partsOf(args.parts, parts), args.out, (name, save) =>
  save(parts[name]?.() ?? {})
)
const barred = Object.entries(figures).filter(([, { bar }]) => bar !== undefined)
print(`\n${formatFigures(Object.fromEntries(barred))}`)
