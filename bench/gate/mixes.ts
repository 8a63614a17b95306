/**
 * Named populations by what may break a promise made from a sample. "Border" is just beyond the
 * promise at every threshold, so that each promotion breaks it. Knows nothing of the gate.
 */
import type { Kind, Population } from './populations.ts'
import { BEYOND, type Shape } from './worlds.ts'

/** All at 5 points: these settings vary the population, not the margin. */
export const MIX_MARGIN = 0.05

const BORDER = 1 - MIX_MARGIN - BEYOND
const always = (agreement: number): Shape => [[1, agreement]]

/** As the shape of banking77, with fewer answers that are wrong at the top. */
const RANKED: Shape = [
  [0.5, 0.995],
  [0.2, 0.96],
  [0.3, 0.6],
]

const one = (...kinds: Kind[]): Population => ({ kindsByTurn: [kinds] })

const QUESTIONS = 20
const REPEATED = 0.6

/** Of 20 questions with 60 % of the traffic the first `changed` are answered differently now. */
const repeated = (changed: number, place: (question: number) => number): Kind[] =>
  Array.from({ length: QUESTIONS }, (_, question) => ({
    share: REPEATED / QUESTIONS,
    // a part of a question is the share of its traffic that came after the change
    shape: always(1 - Math.min(1, Math.max(0, changed - question))),
    place: place(question),
    unseen: 0,
  }))

const fresh = (shape: Shape): Kind => ({ share: 1 - REPEATED, shape, unseen: 1 })

const spread = (question: number): number => (question + 0.5) / QUESTIONS
const top = (question: number): number => (question + 1) * 1e-4

/** So many changed questions cost the margin alone. */
const CHANGED_AT_BORDER = ((MIX_MARGIN + BEYOND) * QUESTIONS) / REPEATED

export const repeats: Record<string, Population> = {
  '6 of 20 changed, new ones ranked': one(...repeated(6, spread), fresh(RANKED)),
  '1 of 20 changed, new ones right': one(...repeated(1, spread), fresh(always(0.995))),
  'border: changed ones at the top': one(...repeated(CHANGED_AT_BORDER, top), fresh(always(1))),
  'border: new ones, repeats right': one(...repeated(0, spread), fresh(always(BORDER))),
  'border: repeats and new ones': one(
    ...repeated(0, spread).map((kind) => ({ ...kind, shape: always(BORDER) })),
    fresh(always(BORDER))
  ),
}

/**
 * `share` of the exchanges are tool calls, which a text never agrees with. As many of them as break
 * the promise are as sure as any answer, the others are the least sure.
 */
const callsAnswered = (share: number): Shape =>
  share <= MIX_MARGIN
    ? always(BORDER)
    : [
        [1 - (share - MIX_MARGIN) / BORDER, BORDER],
        [(share - MIX_MARGIN) / BORDER, 0],
      ]

/** Texts that the arm sends to the upstream for calls. */
const NEEDLESSLY_DEFERRED = 0.02

/** Defers calls, and misses as many as break the promise, or a fifth of that. */
const callsDeferred = (share: number, isBorder: boolean): Population => {
  const texts = (1 - share) * (1 - NEEDLESSLY_DEFERRED)
  const missed = (((isBorder ? 1 : 0.2) * (1 - BORDER)) / BORDER) * texts
  return one(
    { share: 1 - share, shape: always(1), deferred: NEEDLESSLY_DEFERRED },
    { share, shape: always(0), deferred: 1 - Math.min(1, missed / share) }
  )
}

const CALLS = [0.05, 0.2, 0.5, 0.7, 0.95]

export const tools: Record<string, Population> = Object.fromEntries(
  CALLS.flatMap((share) => [
    [`border: ${100 * share} % calls, text to all`, one({ share: 1, shape: callsAnswered(share) })],
    [`border: ${100 * share} % calls, some missed`, callsDeferred(share, true)],
    [`${100 * share} % calls, few missed`, callsDeferred(share, false)],
  ])
)

export const refusals: Record<string, Population> = Object.fromEntries(
  [0.02, 0.05, 0.1].flatMap((share) => [
    [
      `${100 * share} % refused, texts right`,
      one({ share: 1, shape: always(1 - share - (share === MIX_MARGIN ? BEYOND : 0)) }),
    ],
    ...(share < MIX_MARGIN
      ? [
          [
            `border: ${100 * share} % refused`,
            one(
              { share: 1 - share, shape: always(BORDER / (1 - share)) },
              { share, shape: always(0) }
            ),
          ] as const,
        ]
      : []),
  ])
)

const LENGTHS: Record<string, NonNullable<Population['lengths']>> = {
  '3 turns': [[3, 1]],
  '1 to 6': [1, 2, 3, 4, 5, 6].map((turns) => [turns, 1 / 6] as const),
  '1, or 10 in one of ten': [
    [1, 0.9],
    [10, 0.1],
  ],
}

/** Errors as the turns weigh them, scaled so that `lost` of all rows are wrong. */
const turnsLosing = (
  lost: number,
  weightOf: (turn: number) => number,
  lengths: NonNullable<Population['lengths']>
): Kind[][] => {
  const longest = Math.max(...lengths.map(([turns]) => turns))
  const reached = Array.from({ length: longest }, (_, turn) =>
    lengths.reduce((sum, [turns, chance]) => sum + (turns > turn ? chance : 0), 0)
  )
  const rows = reached.reduce((sum, chance) => sum + chance, 0)
  const weighed = reached.reduce((sum, chance, turn) => sum + chance * weightOf(turn), 0)
  return reached.map((_, turn) => [
    { share: 1, shape: always(1 - (lost * rows * weightOf(turn)) / weighed) },
  ])
}

const QUALITIES = { alike: () => 1, 'later turns worse': (turn: number) => turn + 1 }

export const conversations: Record<string, Population> = Object.fromEntries(
  Object.entries(LENGTHS).flatMap(([length, lengths]) =>
    Object.entries(QUALITIES).flatMap(([quality, weightOf]) =>
      [0, 0.5, 1].map((correlation) => [
        `border: ${length}, ${quality}, ${correlation}`,
        { lengths, correlation, kindsByTurn: turnsLosing(1 - BORDER, weightOf, lengths) },
      ])
    )
  )
)

export const ties: Record<string, Population> = Object.fromEntries(
  [4, 10, 30].flatMap((grid) => [
    [`border: ${grid} confidences`, { ...one({ share: 1, shape: always(BORDER) }), grid }],
    [`ranked: ${grid} confidences`, { ...one({ share: 1, shape: RANKED }), grid }],
  ])
)

/** Another model of the upstream without log-probabilities: all of its answers have one confidence. */
export const models: Record<string, Population> = Object.fromEntries(
  [0.99, 0.9].map((agreement) => [
    `agrees on ${100 * agreement} %`,
    one({ share: 1, shape: always(agreement), place: 0 }),
  ])
)

/** All right: one half of the rows has one confidence, or all have one of few. */
export const tiedAndRight: Record<string, Population> = {
  'all right, half of them equal': one(
    { share: 0.5, shape: always(1), place: 0.4 },
    { share: 0.5, shape: always(1) }
  ),
  'all right, 3 confidences': { ...one({ share: 1, shape: always(1) }), grid: 3 },
}
