/** False rollbacks where turns of one conversation lose together. */
import { quickAlarm } from './alarms.ts'
import { Capital, PRODUCT_RULE } from './capital.ts'
import { hasAlarm } from './false-alarms.ts'
import { ALARM_SHARE, alarmFigures, LIFE, MARGIN, repeat, shareFigure, type Run } from './run.ts'
import { drawLosses, type Loss } from './streams.ts'
import type { Figures } from '../../test/kit/report.ts'

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

export const measureConversations = async (run: Run): Promise<Figures> => {
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
