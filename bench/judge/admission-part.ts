/**
 * Is a judge ever admitted for faults that it does not see? Faults are planted into replies of a grammar in five
 * languages; simulated judges catch a known share of each class, or reject a known share of sound answers.
 */
import { admit, isCaught, isFalseAlarm, MOST_FALSE_ALARMS } from '../../src/core/judge/admission.ts'
import { REQUESTS_PER_COMPARISON } from '../../src/core/judge/judge-prompt.ts'
import { FAULTS, plantFaults, type Fault } from '../../src/core/judge/planted-faults.ts'
import { drawReplies, LANGUAGES } from '../../test/kit/judge/replies.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { percent, print, type Run } from '../gate/lines.ts'
import { ALPHA } from '../gate/rules.ts'
import { upperLimit } from '../gate/measure.ts'
import {
  askJudge,
  judgeWith,
  rejectionRate,
  shareWithRate,
  type SimulatedJudge,
} from './simulated-judge.ts'

const REPLIES = 260
const FAIR_PAIRS = 200
/** Just below what is promised. */
const [BLIND, ALARMING] = [0.95 - 1e-9, MOST_FALSE_ALARMS + 1e-9]

/** Of the planted faults of a class, which are longer than the answer that they are compared with. */
type Planted = Record<Fault, boolean[]>

const plantIn = (language: string, random: () => number): Planted => {
  const replies = Array.from({ length: REPLIES }, () => drawReplies(language, random))
  const answers = replies.map(({ second }, i) => ({
    texts: [second],
    others: [replies[(i + 1) % REPLIES]?.second ?? ''],
  }))
  const planted = plantFaults(answers, Math.floor(random() * 2 ** 32))
  const longer = (fault: Fault): boolean[] =>
    planted
      .filter((one) => one.fault === fault)
      .map(({ place, texts: [text = ''] }) => text.length > (replies[place]?.first.length ?? 0))
  return Object.fromEntries(FAULTS.map((fault) => [fault, longer(fault)])) as Planted
}

/** The judge with a sensitivity at which it catches a share of one class. @returns null where none gives it */
const catching = (
  judge: SimulatedJudge,
  share: number,
  planted: boolean[]
): SimulatedJudge | null => {
  const longer = planted.filter(Boolean).length / planted.length
  const ofAll = { ...judge, sensitivity: 1, specificity: 1 }
  const sensitivity = shareWithRate(ofAll, share / (1 - judge.silence), longer)
  return sensitivity === null ? null : { ...judge, sensitivity }
}

/** The judge with a specificity at which it rejects a share of sound answers, silence included. */
const alarming = (judge: SimulatedJudge, share: number): SimulatedJudge => {
  const readable = (share - judge.silence) / (1 - judge.silence)
  const ofAll = { ...judge, sensitivity: 1, specificity: 1 }
  return { ...judge, specificity: 1 - (shareWithRate(ofAll, readable, 0) ?? 0) }
}

const drawAdmission = (
  planted: Planted,
  judgeOf: (fault: Fault) => SimulatedJudge,
  fair: SimulatedJudge,
  random: () => number
) => {
  const faults = FAULTS.map((fault) => {
    const verdicts = planted[fault].map((isLonger) =>
      askJudge(judgeOf(fault), { isDifferent: true, isLonger }, random)
    )
    return { fault, planted: verdicts.length, caught: verdicts.filter(isCaught).length }
  })
  const sound = { isDifferent: false, isLonger: false }
  const alarms = Array.from({ length: FAIR_PAIRS }, () => askJudge(fair, sound, random))
  return admit({
    judge: { model: 'simulated', version: '1', rubric: '', rubricDigest: '' },
    faults,
    fair: { pairs: FAIR_PAIRS, alarms: alarms.filter(isFalseAlarm).length },
    earlierTries: 0,
  })
}

const BIASES: Record<string, SimulatedJudge> = {
  plain: judgeWith(1, 0.98),
  order: judgeWith(1, 0.98, { orderBias: 0.03 }),
  length: judgeWith(1, 0.98, { lengthBias: 0.03 }),
  silence: judgeWith(1, 0.98, { silence: 0.02 }),
}

interface Admitted {
  /** share of draws in which a class is watched, by class; in which one of all is */
  ofClass: number[]
  ofAny: number
  isAdmitted: number
}

const simulate = (
  planted: Planted,
  judgeOf: (fault: Fault) => SimulatedJudge,
  fair: SimulatedJudge,
  { draws, random }: Run
): Admitted => {
  const admissions = Array.from({ length: draws }, () =>
    drawAdmission(planted, judgeOf, fair, random)
  )
  const share = (count: number): number => count / draws
  return {
    ofClass: FAULTS.map((_, place) =>
      share(admissions.filter(({ faults }) => faults[place]?.isWatched).length)
    ),
    ofAny: share(
      admissions.filter(({ faults }) => faults.some(({ isWatched }) => isWatched)).length
    ),
    isAdmitted: share(admissions.filter(({ isAdmitted }) => isAdmitted).length),
  }
}

const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Every class at just under 95 %, by language and bias. */
const measureBlind = (run: Run): Figures => {
  const worlds: Admitted[] = []
  print('\nadmitted for a class at just under 95 % (%): worst class, any of nine')
  for (const language of Object.keys(LANGUAGES)) {
    const planted = plantIn(language, run.random)
    for (const [name, judge] of Object.entries(BIASES)) {
      const fair = alarming(judge, 0.04)
      const blind = (fault: Fault): SimulatedJudge => {
        const found = catching(judge, BLIND, planted[fault])
        if (found === null) throw new Error(`${name}: no sensitivity catches ${BLIND} of ${fault}`)
        return found
      }
      const world = simulate(planted, blind, fair, run)
      worlds.push(world)
      print(
        `${language} ${name.padEnd(8)} ${percent(Math.max(...world.ofClass))} ${percent(world.ofAny)}`
      )
    }
  }
  const classes = worlds.flatMap(({ ofClass }) => ofClass)
  const all = mean(classes)
  const trials = classes.length * run.draws
  const unit = `share of ${trials} blind classes`
  return {
    admitted_blind_class_upper_95: {
      value: upperLimit(Math.round(all * trials), trials, ALPHA),
      unit: `${unit}, upper 95 % limit`,
    },
    admitted_blind_class_worst: {
      value: Math.max(...classes),
      unit: `share of ${run.draws} draws, worst of ${classes.length} classes, languages and biases`,
    },
    admitted_any_blind_class: {
      value: mean(worlds.map(({ ofAny }) => ofAny)),
      unit: 'share of draws, nine blind classes',
    },
    admitted_blind_class: withBar({ value: all, unit }, '<=', ALPHA),
  }
}

/** Judges that see all classes alike, and one that rejects just over 10 % of sound answers. */
const measureSeeing = (run: Run): Figures => {
  const planted = plantIn('en', run.random)
  const figures: Figures = {}
  const unit = `share of ${run.draws} draws`
  print('\na class is watched, any class is (%)')
  for (const sensitivity of [0.6, 0.9, 0.97, 0.98, 0.99, 0.995]) {
    const judge = judgeWith(sensitivity, 0.98)
    const { ofClass, ofAny } = simulate(planted, () => judge, judge, run)
    print(`caught ${percent(sensitivity)}: ${percent(mean(ofClass))} ${percent(ofAny)}`)
    figures[`watched_class_at_${1000 * sensitivity}`] = { value: mean(ofClass), unit }
  }
  for (const share of [ALARMING, 0.05, 0.03]) {
    const judge = alarming(judgeWith(0.99, 0.99), share)
    const { isAdmitted } = simulate(planted, () => judge, judge, run)
    print(
      `false alarms ${percent(rejectionRate(judge, { different: 0, longer: 0 }))}: admitted ${percent(isAdmitted)}`
    )
    const figure = { value: isAdmitted, unit }
    if (share === ALARMING) figures.admitted_false_alarms = withBar(figure, '<=', ALPHA)
    else figures[`admitted_at_alarms_${100 * share}`] = figure
  }
  return figures
}

export const measureAdmission = (run: Run): Figures => ({
  ...measureBlind(run),
  ...measureSeeing(run),
  admission_requests: {
    value: REQUESTS_PER_COMPARISON * (FAULTS.length * 200 + FAIR_PAIRS),
    unit: 'requests to the judge',
  },
})
