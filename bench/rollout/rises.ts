/** Starts anew: the loss rises to 13 points after many good pairs. With rivals and their false alarms. */
import { spread, type Figures } from '../../test/kit/report.ts'
import { productAlarm, quickAlarm } from './alarms.ts'
import { Capital, RIVALS, ROLLBACK_CAPITAL } from './capital.ts'
import { LIFE, MARGIN, repeat, shareFigure, type Run } from './run.ts'
import { drawLosses, type Loss } from './streams.ts'

const GOOD_LOSS = 0.02
const BAD_LOSS = 0.13
const GOOD_PAIRS = [0, 1000, 10_000, 50_000]
/** One start needs some 22,000 after 50,000 good pairs. */
const BAD_PAIRS = 30_000

/** The rise comes at random within so many pairs, or else it would meet a start of some rules and not of others. */
const SPREAD = 400

/** So many good pairs, then bad ones. */
const drawRise = (goodPairs: number, random: () => number): Loss[] => {
  const good = drawLosses(goodPairs, GOOD_LOSS, random)
  const [first, ...bad] = drawLosses(BAD_PAIRS, BAD_LOSS, random)
  const read = good.reduce((sum, { gap }) => sum + gap + 1, 0)
  return [...good, { ...first!, gap: first!.gap + goodPairs - read }, ...bad]
}

const key = (name: string): string => name.replaceAll(/\W+/g, '_')

const measureDelays = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  const capitals = Object.entries(RIVALS).map(
    ([name, rule]) => [name, new Capital(MARGIN, rule)] as const
  )
  for (const goodPairs of GOOD_PAIRS) {
    const name = `rollback_pairs_13_after_${goodPairs}`
    const delays = await repeat(name, Math.ceil(run.draws / 2), run, () => {
      const good = goodPairs === 0 ? 0 : goodPairs + Math.floor(SPREAD * run.random())
      const losses = drawRise(good, run.random)
      const since = (pair: number | null): number => (pair ?? good + BAD_PAIRS) - good
      return [
        since(productAlarm(losses, MARGIN, { quiet: good, capital: ROLLBACK_CAPITAL })),
        ...capitals.map(([, capital]) => since(quickAlarm(losses, capital, good))),
      ]
    })
    ;['', ...Object.keys(RIVALS)].forEach((rule, i) => {
      const place = rule === '' ? name : `${name}_${key(rule)}`
      figures[place] = spread(
        delays.map((row) => row[i]!),
        'pairs'
      )
    })
  }
  return figures
}

const measureRivals = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const [rule, start] of Object.entries(RIVALS)) {
    const capital = new Capital(MARGIN, start)
    const name = `false_rollback_rule_${key(rule)}`
    const alarms = await repeat(name, run.draws, run, () =>
      quickAlarm(drawLosses(LIFE, MARGIN, run.random), capital)
    )
    figures[name] = shareFigure(alarms.map((pair) => pair !== null))
  }
  return figures
}

export const measureRises = async (run: Run): Promise<Figures> => ({
  ...(await measureDelays(run)),
  ...(await measureRivals(run)),
})
