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

/** Two digits, without an exponent. */
const twoDigits = (value: number): string => String(Number(value.toPrecision(2)))

const short = (value: number): string => {
  if (value >= 1e6) return `${twoDigits(value / 1e6)}M`
  return value >= 1000 ? `${twoDigits(value / 1000)}k` : twoDigits(value)
}

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

/** An arm that fails stands at the bottom with its accuracy: in the scale it would hide all others. */
const point = (
  one: Series,
  { x, y }: Scale,
  { valueOf }: Axis,
  { lowest, colour, number }: { lowest: number; colour: string; number: number }
): string => {
  const seeds = accuracyBySeed(one).map((share) => Math.max(lowest, share))
  const at = x(valueOf(one))
  const value = meanAccuracy(one)
  const height = y(Math.max(lowest, value))
  const percent = `${(100 * value).toFixed(1)} %`
  const said = value < lowest ? `${number}: ${percent}` : String(number)
  return (
    `<line x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${y(Math.min(...seeds)).toFixed(1)}" y2="${y(Math.max(...seeds)).toFixed(1)}" stroke="${colour}"/>` +
    `<g><title>${one.arm}, equal ${one.matching}: ${percent}</title>${mark(one.matching, at, height, colour)}` +
    `<text x="${(at + MARK + 2).toFixed(1)}" y="${(height - MARK).toFixed(1)}" font-size="10" fill="${colour}">${said}</text></g>`
  )
}

const meanAccuracy = ({ accuracies }: Series): number =>
  mean(accuracies.map(({ accuracy }) => accuracy))

const panel = (
  series: readonly Series[],
  axis: Axis,
  { top, lowest, arms }: { top: number; lowest: number; arms: readonly string[] }
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
    ...series.map((one) => {
      const place = arms.indexOf(one.arm)
      return point(one, scale, axis, { lowest, colour: colourAt(place), number: place + 1 })
    }),
  ].join('\n')
}

const legend = (arms: readonly string[]): string => {
  const x = WIDTH - PANEL.right + 20
  const line = (at: number): number => PANEL.top + 18 * at
  return [
    ...arms.map(
      (arm, at) =>
        `${mark('steps', x, line(at), colourAt(at))}<text x="${x + 14}" y="${line(at) + 4}">${at + 1} ${arm.replaceAll('_', ' ')}</text>`
    ),
    `${mark('steps', x, line(arms.length + 1), '#333333')}<text x="${x + 14}" y="${line(arms.length + 1) + 4}">equal steps</text>`,
    `${mark('time', x, line(arms.length + 2), '#333333')}<text x="${x + 14}" y="${line(arms.length + 2) + 4}">equal time</text>`,
  ].join('\n')
}

/** Arms with one colour are told apart by their numbers. */
const colourAt = (place: number): string => COLOURS[place % COLOURS.length]!

/** Of accuracies that are compared; below are arms that do not work at all. */
const LEAST_COMPARED = 0.3

/** @param series on the same rows; at least one */
export const drawPicture = (series: readonly Series[]): string => {
  const arms = [...new Set(series.map(({ arm }) => arm))]
  const compared = series.filter((one) => meanAccuracy(one) >= LEAST_COMPARED)
  const least = Math.min(...(compared.length > 0 ? compared : series).flatMap(accuracyBySeed))
  const lowest = Math.max(0, Math.floor(10 * least - 0.2) / 10)
  const tops = AXES.map((_, at) => PANEL.top + at * (PANEL.height + PANEL.gap))
  const height = tops.at(-1)! + PANEL.height + 40
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    ...AXES.map((axis, at) => panel(series, axis, { top: tops[at]!, lowest, arms })),
    legend(arms),
    '</svg>',
    '',
  ].join('\n')
}
