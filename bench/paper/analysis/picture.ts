/** The picture of a run: accuracy over prompt tokens read in training, and over training time. Pure. */
import { accuracyBySeed, mean, type Series } from './results.ts'

const WIDTH = 900
const PANEL = { left: 56, right: 230, top: 40, height: 260, gap: 70 }
const COLOURS = [
  '#4c78a8',
  '#f58518',
  '#e45756',
  '#72b7b2',
  '#54a24b',
  '#b279a2',
  '#9d755d',
  '#333333',
]
const MARK = 5
const TICKS = 5
/** Room at the ends of the logarithmic axis, as a share of it. */
const MARGIN = 0.06

interface Axis {
  title: string
  valueOf: (series: Series) => number
  unit: string
}

const AXES: Axis[] = [
  {
    title: 'Accuracy over prompt and query tokens read in a training',
    valueOf: ({ promptTokensRead }) => promptTokensRead,
    unit: 'tokens',
  },
  {
    title: 'Accuracy over the seconds of a training',
    valueOf: ({ plannedSeconds }) => plannedSeconds,
    unit: 's',
  },
]

interface Scale {
  x: (value: number) => number
  y: (share: number) => number
}

const short = (value: number): string =>
  value >= 1e6
    ? `${(value / 1e6).toPrecision(2)}M`
    : value >= 1000
      ? `${(value / 1000).toPrecision(2)}k`
      : value.toPrecision(2)

/** A circle for equal steps, a square for equal time. */
const mark = (matching: Series['matching'], x: number, y: number, colour: string): string =>
  matching === 'steps'
    ? `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${MARK}" fill="${colour}"/>`
    : `<rect x="${(x - MARK).toFixed(1)}" y="${(y - MARK).toFixed(1)}" width="${2 * MARK}" height="${2 * MARK}" fill="white" stroke="${colour}" stroke-width="2"/>`

const grid = ({ y }: Scale, lowest: number): string =>
  Array.from({ length: TICKS }, (_, tick) => {
    const share = lowest + ((1 - lowest) * tick) / (TICKS - 1)
    const at = y(share)
    return (
      `<line x1="${PANEL.left}" x2="${WIDTH - PANEL.right}" y1="${at}" y2="${at}" stroke="#e0e0e0"/>` +
      `<text x="${PANEL.left - 8}" y="${at + 4}" text-anchor="end">${(100 * share).toFixed(0)} %</text>`
    )
  }).join('\n')

const scaleOf = (
  values: readonly number[],
  top: number,
  lowest: number
): Scale & { ticks: number[] } => {
  const [from, to] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))]
  const span = Math.max(to - from, 1e-9)
  const room = MARGIN * span
  const width = WIDTH - PANEL.left - PANEL.right
  return {
    x: (value) => PANEL.left + (width * (Math.log(value) - from + room)) / (span + 2 * room),
    y: (share) => top + (PANEL.height * (1 - share)) / (1 - lowest),
    ticks: Array.from({ length: TICKS }, (_, tick) => Math.exp(from + (span * tick) / (TICKS - 1))),
  }
}

const point = (one: Series, { x, y }: Scale, { valueOf }: Axis, colour: string): string => {
  const seeds = accuracyBySeed(one)
  const at = x(valueOf(one))
  const value = mean(one.accuracies.map(({ accuracy }) => accuracy))
  return (
    `<line x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${y(Math.min(...seeds)).toFixed(1)}" y2="${y(Math.max(...seeds)).toFixed(1)}" stroke="${colour}"/>` +
    `<g><title>${one.arm}, equal ${one.matching}: ${(100 * value).toFixed(1)} %</title>${mark(one.matching, at, y(value), colour)}</g>`
  )
}

const panel = (
  series: readonly Series[],
  axis: Axis,
  { top, lowest, colourOf }: { top: number; lowest: number; colourOf: (arm: string) => string }
): string => {
  const scale = scaleOf(series.map(axis.valueOf), top, lowest)
  const bottom = top + PANEL.height
  return [
    `<text x="${PANEL.left}" y="${top - 14}" font-weight="bold">${axis.title}</text>`,
    grid(scale, lowest),
    ...scale.ticks.map(
      (tick) =>
        `<text x="${scale.x(tick).toFixed(1)}" y="${bottom + 18}" text-anchor="middle">${short(tick)} ${axis.unit}</text>`
    ),
    ...series.map((one) => point(one, scale, axis, colourOf(one.arm))),
  ].join('\n')
}

const legend = (arms: readonly string[], colourOf: (arm: string) => string): string => {
  const x = WIDTH - PANEL.right + 20
  const line = (at: number): number => PANEL.top + 18 * at
  return [
    ...arms.map(
      (arm, at) =>
        `${mark('steps', x, line(at), colourOf(arm))}<text x="${x + 14}" y="${line(at) + 4}">${arm.replaceAll('_', ' ')}</text>`
    ),
    `${mark('steps', x, line(arms.length + 1), '#333333')}<text x="${x + 14}" y="${line(arms.length + 1) + 4}">equal steps</text>`,
    `${mark('time', x, line(arms.length + 2), '#333333')}<text x="${x + 14}" y="${line(arms.length + 2) + 4}">equal time</text>`,
  ].join('\n')
}

/** One shade for arms beyond the number of colours: they are told apart by their titles. */
const colours = (arms: readonly string[]) => {
  const byArm = new Map(arms.map((arm, at) => [arm, COLOURS[at % COLOURS.length]!]))
  return (arm: string): string => byArm.get(arm) ?? '#333333'
}

/** @param series on the same rows; at least one */
export const drawPicture = (series: readonly Series[]): string => {
  const arms = [...new Set(series.map(({ arm }) => arm))]
  const colourOf = colours(arms)
  const least = Math.min(...series.flatMap(accuracyBySeed))
  const lowest = Math.max(0, Math.floor(10 * least - 0.2) / 10)
  const tops = AXES.map((_, at) => PANEL.top + at * (PANEL.height + PANEL.gap))
  const height = tops.at(-1)! + PANEL.height + 40
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    ...AXES.map((axis, at) => panel(series, axis, { top: tops[at]!, lowest, colourOf })),
    legend(arms, colourOf),
    '</svg>',
    '',
  ].join('\n')
}
