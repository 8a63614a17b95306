/**
 * Draws the log of a pretraining run: loss, and answers right in each difficulty, over tokens.
 * `tsx models/make/curve.ts --log run/log.jsonl --out docs/pictures/tiny-pretraining.svg`
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const { values: args } = parseArgs({
  options: { log: { type: 'string' }, out: { type: 'string' } },
})
if (args.log === undefined || args.out === undefined)
  throw new Error('--log <file.jsonl> and --out <file.svg> are needed')

interface Entry {
  tokens: number
  loss: number
  exam: number[]
}

interface Curve {
  name: string
  colour: string
  points: [tokens: number, value: number][]
}

const WIDTH = 820
const PANEL = { left: 56, right: 120, top: 30, height: 200, gap: 60 }
const COLOURS = ['#4c78a8', '#f58518', '#54a24b', '#b279a2', '#e45756']
const NAMES = [
  'bare table',
  'sentences',
  'formats, examples',
  'exceptions, topics',
  '300–900 tokens',
]
/** A loss is that of one batch; a picture shows where it goes. */
const SMOOTHED_OVER = 5

const entries = readFileSync(args.log, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Entry)
const mostTokens = entries.at(-1)!.tokens

const smoothed = (values: number[]): number[] =>
  values.map((_, index) => {
    const window = values.slice(Math.max(0, index + 1 - SMOOTHED_OVER), index + 1)
    return window.reduce((sum, value) => sum + value, 0) / window.length
  })

const losses = smoothed(entries.map(({ loss }) => loss))
const mostLoss = Math.ceil(Math.max(...losses))

const lossCurve: Curve = {
  name: 'loss an answer token',
  colour: '#333333',
  points: entries.map(({ tokens }, index) => [tokens, losses[index]! / mostLoss]),
}

const examCurves = NAMES.map((name, level): Curve => ({
  name,
  colour: COLOURS[level]!,
  points: entries.flatMap(({ tokens, exam }): [number, number][] =>
    exam[level] === undefined ? [] : [[tokens, exam[level]]]
  ),
}))

const x = (tokens: number): number =>
  PANEL.left + (tokens / mostTokens) * (WIDTH - PANEL.left - PANEL.right)

const panel = (
  top: number,
  title: string,
  curves: Curve[],
  labelOf: (share: number) => string
): string => {
  const y = (share: number): number => top + PANEL.height * (1 - share)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line x1="${PANEL.left}" x2="${WIDTH - PANEL.right}" y1="${y(share)}" y2="${y(share)}" stroke="#e0e0e0"/>` +
      `<text x="${PANEL.left - 8}" y="${y(share) + 4}" text-anchor="end">${labelOf(share)}</text>`
  )
  const lines = curves
    .filter(({ points }) => points.length > 0)
    .map(({ name, colour, points }, index) => {
      const path = points.map(([tokens, share]) => `${x(tokens).toFixed(1)},${y(share).toFixed(1)}`)
      const label = `<text x="${WIDTH - PANEL.right + 8}" y="${top + 14 + 18 * index}" fill="${colour}">${name}</text>`
      return `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.6"/>${label}`
    })
  return [
    `<text x="${PANEL.left}" y="${top - 10}" font-weight="bold">${title}</text>`,
    ...grid,
    ...lines,
  ].join('\n')
}

const examTop = PANEL.top + PANEL.height + PANEL.gap
const height = examTop + PANEL.height + 40
const millions = [0, 0.25, 0.5, 0.75, 1].map(
  (share) =>
    `<text x="${x(share * mostTokens)}" y="${height - 18}" text-anchor="middle">${((share * mostTokens) / 1e6).toFixed(1)}M</text>`
)
writeFileSync(
  args.out,
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    panel(PANEL.top, 'Loss of answer tokens', [lossCurve], (share) =>
      (share * mostLoss).toFixed(1)
    ),
    panel(
      examTop,
      'Answers exactly right on unseen prompts, by difficulty',
      examCurves,
      (share) => `${share * 100} %`
    ),
    ...millions,
    '</svg>',
    '',
  ].join('\n')
)
