/** What the learning curve says after a verdict. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CurveTarget, LearningCurve } from '../../src/core/gate/learning-curve.ts'
import type { ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import type { Figure, Figures } from '../../test/kit/report.ts'

const POLL_MS = 1_000

interface Shown extends LearningCurve {
  judged: number
  planned: number
  failure: string | null
  text: string[]
}

const whole = (share: number): number => Math.round(100 * share)

const rowsFigure = (rows: number | null): Figure => ({ value: rows ?? 'more', unit: 'rows' })

const targetFigures = ({ coverage, rows, interval, likelyRows }: CurveTarget) => ({
  [`rows_for_${whole(coverage)}`]: rowsFigure(rows),
  [`rows_for_${whole(coverage)}_lower`]: rowsFigure(interval[0]),
  [`rows_for_${whole(coverage)}_upper`]: rowsFigure(interval[1]),
  [`likely_rows_for_${whole(coverage)}`]: rowsFigure(likelyRows),
})

/**
 * Waits until the worker has made the curve.
 * @returns the needed rows of each target, and the agreement by rows
 * @throws Error when there will be none
 */
export const curveFigures = async (
  proxy: ProxyProcess,
  internalizationId: string,
  onDone: (judged: number, planned: number) => void
): Promise<{ figures: Figures; text: string[] }> => {
  for (;;) {
    const { learningCurve: curve } = await proxy.admin<{ learningCurve: Shown | null }>(
      `/internalizations/${internalizationId}`
    )
    if (curve !== null) {
      onDone(curve.judged, curve.planned)
      if (curve.failure !== null) throw new Error(`no learning curve: ${curve.failure}`)
      if (curve.points.length > 0) return { figures: figuresOf(curve), text: curve.text }
    }
    await delay(POLL_MS)
  }
}

const figuresOf = ({ points, targets }: LearningCurve): Figures =>
  Object.assign(
    {},
    ...points.map(({ rows, agreement }) => ({
      [`agreement_of_${rows}`]: { value: agreement, unit: 'share' },
    })),
    ...targets.map(targetFigures)
  )
