/**
 * Worlds with a note in a removed place that changes the answer, in a share of the traffic. The product's own
 * detector finds the template, its matcher decides what a lora is trained on, judged by and asked, and the gate
 * judges. A lora answers as the upstream does but where a note was removed, and in one of a hundred others.
 */
import { seededRandom } from '../../../src/random.ts'
import { Detector } from '../../../src/core/detect/detect.ts'
import type { HeldOutRow } from '../../../src/core/gate/gate.ts'
import { compileMatcher, type Matcher } from '../../../src/core/match/match.ts'
import { droppedSlots } from '../../../src/core/template/known.ts'
import type { Match, RequestKey } from '../../../src/core/template/template.ts'
import { createDice } from '../../../test/kit/traffic/applications.ts'
import {
  answerOf,
  cleanSent,
  examplePool,
  messagesOf,
  NOTED,
  NOTES,
  PLANTED,
  type Sent,
} from '../../../test/kit/traffic/noted.ts'
import { simulatedRow } from '../row.ts'
import { BEYOND } from '../worlds.ts'
import { isPromoted, MARGIN } from './worlds.ts'

const KEY: RequestKey = { tenant: 'bench', model: 'bench', tools: '', responseFormat: '' }
const SHARES = [0.01, 0.03, 0.1, 0.3]
const RISEN_SHARE = 0.3
/** too rare for a test of what the answers follow */
const RARE = 0.01
const [LOGGED, PROBED, LOGS] = [400, 200, 8]
const MISTAKES = 0.01

/** What happens to the requests of a world, by a log of its traffic. */
interface Handling {
  /** of clean requests, the share that matches */
  clean: number
  /** of requests with a note, the share that matches and loses the note */
  lost: number
  /** of requests with a note, the share that matches and is read with it */
  read: number
}

/** Whether the lora does not see what the note says. */
const isLost = ({ template, slots, examples }: Match): boolean => {
  const removed = [
    ...Object.values(examples),
    ...droppedSlots(template).map(({ name }) => slots[name]!),
  ]
  return removed.join().includes(NOTED)
}

const handlingOf = (note: (sent: Sent) => Sent, share: number, seed: number): Handling => {
  const dice = createDice(seed)
  const pool = examplePool(30)
  const detector = new Detector({ seed })
  const drawn = (): Sent => cleanSent(dice, pool)
  for (let at = 0; at < LOGGED; at++) {
    const sent = dice.next() < share ? note(drawn()) : drawn()
    const messages = messagesOf(sent)
    detector.observe({ key: KEY, messages, response: answerOf(sent), at: at * 60_000 })
  }
  const matcher: Matcher = compileMatcher(detector.candidates())
  const matches = (make: () => Sent) =>
    Array.from({ length: PROBED }, () => matcher.match(KEY, messagesOf(make())))
  const noted = matches(() => note(drawn())).flatMap((match) => match ?? [])
  return {
    clean: matches(drawn).filter((match) => match !== null).length / PROBED,
    lost: noted.filter(isLost).length / PROBED,
    read: noted.filter((match) => !isLost(match)).length / PROBED,
  }
}

/** One matched request of traffic with a share of notes; whether the lora's answer is right. */
const drawAgrees = (handling: Handling, share: number, random: () => number): boolean => {
  for (;;) {
    const isNoted = random() < share
    const place = random()
    if (!isNoted && place < handling.clean) return random() >= MISTAKES
    if (isNoted && place < handling.lost) return false
    if (isNoted && place < handling.lost + handling.read) return random() >= MISTAKES
  }
}

/** The share of the matched requests in live traffic whose answers are wrong. */
const lossOf = ({ clean, lost, read }: Handling, share: number): number => {
  const matched = (1 - share) * clean + share * (lost + read)
  return (share * lost + MISTAKES * (matched - share * lost)) / matched
}

type IsBroken = (size: number, random: () => number) => boolean

const world = (note: (sent: Sent) => Sent, share: number, liveShare: number): IsBroken => {
  const handlings: Handling[] = []
  return (size, random) => {
    const log = Math.floor(random() * LOGS)
    const handling = (handlings[log] ??= handlingOf(note, share, 1 + log))
    const chance = seededRandom(Math.floor(random() * 2 ** 32))
    // nothing matches: there is no route
    if (handling.clean === 0) return false
    const rows = Array.from({ length: size }, (_, place): HeldOutRow => {
      const agrees = drawAgrees(handling, share, chance)
      return simulatedRow(place, { agrees, confidence: -chance() })
    })
    return lossOf(handling, liveShare) > MARGIN + BEYOND && isPromoted(rows, 'label')
  }
}

/** A note in a share of the log, of the held-out and of the live traffic. */
export const removed: Record<string, IsBroken> = Object.fromEntries(
  Object.entries(NOTES).flatMap(([place, note]) =>
    SHARES.map((share) => [`${place}, ${100 * share} %`, world(note, share, share)])
  )
)

/**
 * The same in the log, and in three of ten live requests: what the proof did not contain. Without an example that
 * one caller plants in one of a hundred of its own requests, which looks like any other of the pool.
 */
export const risen: Record<string, IsBroken> = Object.fromEntries(
  Object.entries(NOTES).flatMap(([place, note]) =>
    SHARES.filter((share) => place !== PLANTED || share > RARE).map((share) => [
      `${place}, ${100 * share} %, then ${100 * RISEN_SHARE} %`,
      world(note, share, RISEN_SHARE),
    ])
  )
)
