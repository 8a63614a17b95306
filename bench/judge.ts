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
import { binomialLowerTail } from '../src/core/gate/statistics.ts'
import { RATINGS_NEEDED, peopleFigures } from '../src/core/judge/people.ts'
import { formatFigures, withBar } from '../test/kit/report.ts'
import { print, type Run } from './gate/lines.ts'
import { longRandom } from './gate/random.ts'
import { ALPHA } from './gate/rules.ts'
import { runParts } from './harness/measure.ts'
import { optional, partsOf, readOptions } from './harness/options.ts'
import { measureAdmission } from './judge/admission-part.ts'
import { measureFacts } from './judge/facts-part.ts'
import { measureGate } from './judge/gate-part.ts'

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

const POINTS = 0.05
/** Truly bad answers of a route that should get the promise, and how often. */
const [GOOD, POWER] = [0.02, 0.84]

const resultOf = (bad: number): string => {
  const sample = Array.from({ length: RATINGS_NEEDED }, (_, at) => ({
    conversation: String(at),
    at: at * 3_600_000,
    isFlagged: false,
    isBad: at < bad,
  }))
  return peopleFigures({ sample, margin: POINTS, burstMs: 0, earlierTries: 0 }).result
}

/** Chance that the margin is proved of a route with a share of bad answers. */
const provedAt = (share: number) => {
  let bad = 0
  while (resultOf(bad + 1) === 'proved') bad++
  return { value: binomialLowerTail(bad, RATINGS_NEEDED, share), unit: 'share, computed' }
}

/** Does the promise about people hold, and how often does a good route get it? */
const measurePeople = (): Figures => ({
  promise_broken_people: withBar(provedAt(POINTS), '<=', ALPHA),
  power_people_300: withBar(provedAt(GOOD), '>=', POWER),
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
