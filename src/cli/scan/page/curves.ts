/** The plot of a template that a head was tried on: agreement over coverage. */
import type { TemplateReport } from '../../../core/scan/report.ts'
import { element, label, line, picture, scaleOf, type Point, type Scale } from './svg.ts'

const WIDTH = 350
const HEIGHT = 230
const BOX = { left: 46, right: WIDTH - 24, top: 12, bottom: HEIGHT - 42 }

const percent = (value: number): string => `${Math.round(100 * value)} %`

const stroke = (from: Point, to: Point, className: string): string => line([from, to], className)

/** A line over the whole width of the plot. */
const across = (y: number, className: string): string =>
  stroke([BOX.left, y], [BOX.right, y], className)

const axes = (x: Scale, y: Scale, names: { x: string; y: string }): string => {
  const { left, right, top, bottom } = BOX
  return [
    ...y.ticks.flatMap((value) => [
      across(y.at(value), 'grid'),
      label(percent(value), {
        x: left - 6,
        y: y.at(value) + 4,
        'text-anchor': 'end',
        class: 'faint',
      }),
    ]),
    ...x.ticks.map((value) =>
      label(percent(value), {
        x: x.at(value),
        y: bottom + 16,
        'text-anchor': 'middle',
        class: 'faint',
      })
    ),
    label(names.x, {
      x: (left + right) / 2,
      y: HEIGHT - 6,
      'text-anchor': 'middle',
      class: 'value',
    }),
    label(names.y, { x: left, y: top - 2, class: 'value' }),
  ].join('')
}

/** A scale of agreement from a round share below the least value up to 1. */
const agreementScale = (values: readonly number[]): Scale => {
  const low = Math.min(0.9, Math.floor(10 * Math.min(...values)) / 10)
  const ticks = [...new Set([low, (low + 1) / 2, 1])]
  return scaleOf([low, 1], [BOX.bottom, BOX.top + 8], ticks)
}

/** Agreement of the most confident answers, the promise, and the coverage that the gate allows. */
export const coveragePlot = (
  { selective, expectedCoverage, coverageLowerBound }: TemplateReport,
  margin: number
): string => {
  const { left, right, bottom, top } = BOX
  const x = scaleOf([0, 1], [left, right], [0, 0.25, 0.5, 0.75, 1])
  const y = agreementScale([1 - margin, ...selective.map(({ agreement }) => agreement)])
  const chosen = expectedCoverage ?? 0
  const isPassed = chosen > 0 && coverageLowerBound !== null
  return picture(
    { width: WIDTH, height: HEIGHT, title: 'agreement of the most confident answers by coverage' },
    [
      axes(x, y, { x: 'share of the requests that is answered', y: 'agreement' }),
      ...(isPassed
        ? [
            element('rect', {
              class: 'band',
              x: x.at(coverageLowerBound),
              y: top + 8,
              width: Math.max(1, x.at(chosen) - x.at(coverageLowerBound)),
              height: bottom - top - 8,
            }),
            stroke([x.at(chosen), top + 8], [x.at(chosen), bottom], 'chosen'),
          ]
        : []),
      across(y.at(1 - margin), 'promise'),
      label('promised', {
        x: right,
        y: y.at(1 - margin) - 4,
        'text-anchor': 'end',
        class: 'faint',
      }),
      line(
        selective.map(({ coverage, agreement }): Point => [x.at(coverage), y.at(agreement)]),
        'curve'
      ),
    ]
  )
}
