/** The checks of a proof file that are about the decision: its data, and the verdict that follows from it. */
import { percent } from '../gate/figures.ts'
import { tryOfLevel, type Verdict } from '../gate/gate.ts'
import { admissionReason, admit, type Admission } from '../judge/admission.ts'
import { sayReason } from '../reasons/say-reason.ts'
import { isModelArm } from '../learn/schedule.ts'
import { EARLY_STATISTIC } from '../route/early.ts'
import { check, namesText, type Check } from './check.ts'
import { decideOn, type HeldOutRecord } from './decision-facts.ts'
import { differences } from './differences.ts'
import { digestOfIds, digestOfRows } from './digest.ts'
import type { ProofFile } from './proof-file.ts'

const idsCheck = (name: string, ids: readonly string[], digest: string): Check =>
  check(
    name,
    digestOfIds(ids) === digest,
    `${ids.length} ids have the digest of the file`,
    `${ids.length} ids have another digest than the file says`
  )

/** A record that counts twice would be worth two. */
const separation = ({ training, decision }: ProofFile): Check => {
  const known = new Set(training.records)
  const shared = decision.records.flatMap(({ id }) => {
    if (known.has(id)) return id
    known.add(id)
    return []
  })
  return check(
    'separation',
    shared.length === 0,
    'no held-out record is a training record, and none occurs twice',
    `held-out records are also training records, or occur twice: ${namesText(shared)}`
  )
}

const counts = ({ decision: { records, counts: stated } }: ProofFile): Check => {
  const [traffic, unseen] = (['isTraffic', 'isUnseen'] as const).map(
    (sample) => records.filter((record) => record[sample]).length
  )
  return check(
    'samples',
    traffic === stated.traffic && unseen === stated.unseen,
    `${traffic} rows are traffic, and ${unseen} are unseen questions`,
    `${traffic} rows are traffic, and ${unseen} are unseen questions, but the file says ` +
      `${stated.traffic} and ${stated.unseen}`
  )
}

const rowsChecks = ({ decision: { records, arms } }: ProofFile): Check[] =>
  arms.map(({ arm, answers, rowsDigest }) =>
    check(
      `rows of ${arm}`,
      answers.length === records.length && digestOfRows(records, answers) === rowsDigest,
      `${answers.length} rows have the digest of the file`,
      `${answers.length} rows of ${records.length} records have another digest than the file says`
    )
  )

const summary = ({ verdict, arm, arms }: Verdict): string => {
  const figures = arms[arm]
  if (verdict === 'reject' || figures === undefined) return verdict
  const { coverage, agreementAnswered, agreementAnsweredBound } = figures
  return (
    `promote; arm ${figures.arm} answers ${percent(coverage)}, ${percent(agreementAnswered)} of them as the ` +
    `upstream does, at least ${percent(agreementAnsweredBound)}`
  )
}

const verdictCheck = ({ decision, verdict }: ProofFile): Check => {
  // as JSON has it: without members that are undefined
  const remade = JSON.parse(JSON.stringify(decideOn(decision))) as Verdict
  const differing = differences(verdict, remade)
  return check(
    'verdict',
    differing.length === 0,
    `the rows give the same verdict with all its figures: ${summary(verdict)}`,
    `the rows give another verdict (${summary(remade)}): ${namesText(differing)}`
  )
}

/** Why the counts cannot be of these rows: faults are planted into answers of them that the judge accepts. */
const impossibleCount = (
  { faults, falseAlarms: { pairs, alarms } }: Admission,
  records: readonly HeldOutRecord[]
): string | null => {
  const asked = new Set(records.flatMap(({ fresh, conversation }) => (fresh ? conversation : [])))
  if (pairs > asked.size)
    return `${pairs} pairs of answers, and two answers were bought in ${asked.size} conversations`
  const sound = pairs - alarms
  const most = faults.find(({ planted, caught }) => planted > sound || caught > planted)
  return most === undefined
    ? null
    : `${most.caught} of ${most.planted} faults of the class ${most.fault} caught in ${sound} accepted answers`
}

/** Of a judge in place of equality: its admission follows from its counts, at the level of a try. */
const admissionChecks = ({ decision }: ProofFile): Check[] => {
  const judge = decision.judge?.admission ?? null
  if (judge === null) return []
  const impossible = impossibleCount(judge, decision.records)
  if (impossible !== null) return [check('judge', false, '', `it says ${impossible}`)]
  const remade = admit({
    judge: judge.judge,
    faults: judge.faults,
    fair: judge.falseAlarms,
    earlierTries: (tryOfLevel(judge.level) ?? 1) - 1,
  })
  const differing = differences(judge, remade)
  const { says } = sayReason(admissionReason(remade))
  return [
    check(
      'judge',
      differing.length === 0,
      `${judge.judge.model} (version ${judge.judge.version}): ${says}`,
      `the counts of ${judge.judge.model} give another admission (${says}): ${namesText(differing)}`
    ),
  ]
}

/** Of answers that are sent before their end is known: no later figure can decide on them. */
const streamingChecks = ({ decision }: ProofFile): Check[] => {
  const early = decision.arms.filter(({ streamsEarly }) => streamsEarly === true)
  if (early.length === 0) return []
  const wrong = early.filter(
    ({ arm, statistic }) => statistic !== EARLY_STATISTIC || isModelArm(arm)
  )
  return [
    check(
      'streaming',
      wrong.length === 0,
      'each arm that streams before an answer ends decides by its first tokens',
      `arms that stream before an answer ends decide by what comes later: ${namesText(wrong.map(({ arm }) => arm))}`
    ),
  ]
}

export const decisionChecks = (file: ProofFile): Check[] => [
  idsCheck('training records', file.training.records, file.training.recordsDigest),
  idsCheck(
    'held-out records',
    file.decision.records.map(({ id }) => id),
    file.decision.recordsDigest
  ),
  separation(file),
  counts(file),
  ...rowsChecks(file),
  ...streamingChecks(file),
  ...admissionChecks(file),
  verdictCheck(file),
]
