/** The parts of the benchmark that are about worlds in which a promise was once broken unseen. */
import { withBar, type Figures } from '../../../test/kit/report.ts'
import { key, percent, print, type Run } from '../lines.ts'
import { upperLimit } from '../measure.ts'
import { BROKEN } from '../mix-parts.ts'
import { ALPHA } from '../rules.ts'
import { removed, risen } from './removed.ts'
import {
  bursts,
  changes,
  coins,
  facts,
  hours,
  isPromoted,
  noise,
  passesInTries,
  tries,
  type DrawRows,
} from './worlds.ts'

const SIZES = [500, 1000]
/** Fewer rows of batches are too few to pass at all. */
const BATCHED_SIZES = [1000, 4000]
const LIMIT_ALPHA = 0.05
/** A world near the bar is drawn ten times as often, at the rest of the limit's level. */
const LOOKS = [1, 10]

const shareOfDraws = (draw: () => boolean, { draws, maxDraws }: Run) => {
  let [hits, drawn, upper] = [0, 0, 1]
  for (const times of LOOKS) {
    for (const wanted = Math.min(maxDraws, times * draws); drawn < wanted; drawn++)
      if (draw()) hits++
    upper = upperLimit(hits, drawn, LIMIT_ALPHA / LOOKS.length)
    if (upper <= ALPHA) break
  }
  return { drawn, share: hits / drawn, upper }
}

const measureWorlds = (
  name: string,
  worlds: Record<string, (size: number, random: () => number) => boolean>,
  run: Run,
  sizes = SIZES
): Figures => {
  const figures: Figures = {}
  print(`\n${name}: promoted although the promise is broken, upper 95 % limit (%)`)
  for (const [world, isBroken] of Object.entries(worlds)) {
    const cells = sizes.map((size) => {
      const { drawn, share, upper } = shareOfDraws(() => isBroken(size, run.random), run)
      figures[`${BROKEN}${name}_${key(world)}_${size}`] = withBar(
        { value: upper, unit: `upper 95 % limit, ${drawn} draws` },
        '<=',
        ALPHA
      )
      return `${size}: ${percent(share)} ${percent(upper)}`
    })
    print(`${world.padEnd(44)} ${cells.join('   ')}`)
  }
  return figures
}

const judged = (worlds: Record<string, DrawRows>, type: 'label' | 'short-text' = 'label') =>
  Object.fromEntries(
    Object.entries(worlds).map(([name, draw]) => [
      name,
      (size: number, random: () => number) => isPromoted(draw(size, random), type),
    ])
  )

/** Names of the worlds, as figures have them. */
export const PROMISES = [
  'facts',
  'noise',
  'change',
  'coin',
  'bursts',
  'hours',
  'tries',
  'removed',
] as const

export const promiseParts = (run: Run): Record<(typeof PROMISES)[number], () => Figures> => ({
  facts: () => measureWorlds('facts', judged(facts, 'short-text'), run),
  noise: () => measureWorlds('noise', judged(noise), run),
  change: () => measureWorlds('change', judged(changes), run),
  coin: () => measureWorlds('coin', judged(coins), run),
  bursts: () => measureWorlds('bursts', judged(bursts), run, BATCHED_SIZES),
  hours: () => measureWorlds('hours', judged(hours), run),
  removed: () => measureWorlds('removed', { ...removed, ...risen }, run),
  tries: () =>
    measureWorlds(
      'tries',
      Object.fromEntries(
        Object.entries(tries).map(([name, loss]) => [
          name,
          (size: number, random: () => number) => passesInTries(loss, size, random),
        ])
      ),
      run
    ),
})
