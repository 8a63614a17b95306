/**
 * False rollbacks where losses come in company: turns of one conversation that lose together, and an
 * upstream that disagrees with itself.
 */
import { lossBoundsOf } from '../../src/core/lifecycle/live-route.ts'
import { lossOf, type PairOutcome } from '../../src/core/rollout/pair.ts'
import type { Verdict } from '../../src/core/gate/gate.ts'
import { quickAlarm } from './alarms.ts'
import { Capital, PRODUCT_RULE } from './capital.ts'
import { hasAlarm } from './false-alarms.ts'
import {
  ALARM_SHARE,
  alarmFigures,
  LIFE,
  MARGIN,
  repeat,
  shareFigure,
  type Figures,
  type Run,
} from './run.ts'
import { drawLosses, type Loss } from './streams.ts'

const TURNS = 6
const CONVERSATIONS = Math.floor(LIFE / TURNS)

/** Share of the conversations that lose turns at all, and their chance to lose each of them. */
interface World {
  share: number
  /** lost turns of one of them */
  draw(random: () => number): number
}

const WORLDS: Record<string, World> = {
  alike: { share: MARGIN, draw: () => TURNS },
  hard: {
    share: 2 * MARGIN,
    draw: (random) => {
      let lost = 0
      for (let turn = 0; turn < TURNS; turn++) if (random() < 0.5) lost++
      return lost
    },
  },
}

/** Each turn of a conversation as a pair: first those that are lost. */
const byTurn = (losses: readonly Loss[]): Loss[] =>
  losses.flatMap(({ gap, loss }, i) => {
    const lost = Math.round(TURNS * loss)
    const before = i === 0 ? 0 : TURNS - Math.round(TURNS * losses[i - 1]!.loss)
    return Array.from({ length: lost }, (_, turn) => ({
      gap: turn === 0 ? before + TURNS * gap : 0,
      loss: 1,
    }))
  })

const measureConversations = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  const quick = new Capital(MARGIN, PRODUCT_RULE)
  for (const [world, { share, draw }] of Object.entries(WORLDS)) {
    const name = `false_rollback_conversations_${world}`
    const drawn = () => drawLosses(CONVERSATIONS, share, run.random, () => draw(run.random) / TURNS)
    const alarms = await repeat(name, 10 * run.draws, run, () => hasAlarm(drawn(), MARGIN, quick))
    Object.assign(figures, alarmFigures(name, alarms, ALARM_SHARE))
    const turns = `${name}_by_turn`
    figures[turns] = shareFigure(
      await repeat(turns, run.draws, run, () => quickAlarm(byTurn(drawn()), quick) !== null)
    )
  }
  return figures
}

/** On these requests the upstream gives either of two answers, each as often; the lora gives one of them. */
const AMBIGUOUS = 0.2
const UPSTREAM_AGREEMENT = 1 - AMBIGUOUS / 2

const boundOf = (canAskAgain: boolean): number => {
  const arm = { agreementAnsweredBound: 0 } as Verdict['arms'][number]
  const verdict = { margin: MARGIN, arm: 0, upstreamAgreement: UPSTREAM_AGREEMENT, arms: [arm] }
  return lossBoundsOf({ id: 'simulated', verdict: verdict as Verdict }, canAskAgain).margin
}

/** Share of the requests on which the lora disagrees with the first answer, ambiguous or not. */
const DISAGREES = AMBIGUOUS / 2 + MARGIN

/**
 * What becomes of a disagreement of a lora that agrees on exactly the margin less than the upstream with
 * itself: on the other requests it is wrong, and the upstream always gives the same answer.
 */
const drawDisagreement = (random: () => number): PairOutcome => {
  const isAmbiguous = random() * DISAGREES < AMBIGUOUS / 2
  return isAmbiguous && random() < 0.5 ? 'upstream-differs' : 'disagreed'
}

/** Ways to count the upstream's disagreement with itself, at the border of the promise. */
const NOISE_RULES = {
  asked_again: { bound: boundOf(true), asksAgain: true, isProduct: true },
  not_asked_again: { bound: boundOf(false), asksAgain: false, isProduct: true },
  asked_again_margin_alone: { bound: MARGIN, asksAgain: true, isProduct: false },
}

const measureNoise = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const [rule, { bound, asksAgain, isProduct }] of Object.entries(NOISE_RULES)) {
    const name = `false_rollback_noise_${rule}`
    const quick = new Capital(bound, PRODUCT_RULE)
    const draw = (): Loss[] =>
      drawLosses(LIFE, DISAGREES, run.random, () =>
        asksAgain ? lossOf({ outcome: drawDisagreement(run.random), rating: null }) : 1
      )
    if (isProduct) {
      const alarms = await repeat(name, 10 * run.draws, run, () => hasAlarm(draw(), bound, quick))
      Object.assign(figures, alarmFigures(name, alarms, ALARM_SHARE))
    } else {
      const alarms = await repeat(name, run.draws, run, () => quickAlarm(draw(), quick) !== null)
      figures[name] = shareFigure(alarms)
    }
  }
  return figures
}

export const measureCompany = async (run: Run): Promise<Figures> => ({
  ...(await measureConversations(run)),
  ...(await measureNoise(run)),
})
