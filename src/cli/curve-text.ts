/** Renders a learning curve: one row for each training, and what follows from them. */
import type { Internalization } from '../core/internalization/internalization.ts'
import { curveText, type CurveWork } from '../lifecycle/learning-curve.ts'
import { percent, table } from './output.ts'

const pointsTable = ({ points, targets }: NonNullable<CurveWork['curve']>): string =>
  table([
    ['trained on', 'agreement', ...targets.map(({ coverage }) => `loss at ${percent(coverage)}`)],
    ...points.map(({ rows, agreement, losses }) => [
      rows,
      percent(agreement),
      ...losses.map((loss) => (loss === null ? '' : percent(loss))),
    ]),
  ])

export const learningCurveText = (
  work: CurveWork,
  internalization: Pick<Internalization, 'verdict'>
): string =>
  [
    ...(work.curve === null ? [] : [pointsTable(work.curve)]),
    curveText(work, internalization).join('\n'),
  ].join('\n\n')
