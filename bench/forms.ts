/**
 * Whether a field head learns answers that are made of fields: for each form, rows of a seeded grammar are drawn, the
 * form is found, a head is trained as the embedded engine trains it, and fresh rows are judged as the gate judges
 * them. Requests that need a reply that no training row had must go to the upstream, and answers whose values stand
 * in no request must be refused.
 *
 *   npm run bench:forms -- --encoder <folder> [--rows 600] [--test 300] [--forms order,reply] [--seed 1]
 *     [--task <folder of banking77> --task-rows 1500] [--threads 2] [--out <file>]
 *
 * `--encoder tiny` has random weights: it shows that everything runs.
 */
import { join } from 'node:path'
import { createProgress } from '../src/cli/output.ts'
import { findForm } from '../src/core/form/find-form.ts'
import type { FormRow } from '../src/core/form/read-targets.ts'
import { Draw, type Grammar } from '../test/kit/form-grammars.ts'
import { writeTinyBert } from '../test/kit/model/tiny-bert.ts'
import { formatFigures, withBar, zero, type Figures } from '../test/kit/report.ts'
import { plantedRows } from './forms/banking.ts'
import { FORMS, unseenReply, WITHOUT_FORM, type FormName } from './forms/grammars.ts'
import { answersOf, judgeOn, trainOn, type JudgedRows, type Trained } from './forms/judge.ts'
import { inFolder, runParts } from './harness/measure.ts'
import { optional, partsOf, readOptions } from './harness/options.ts'

const args = readOptions({
  encoder: optional,
  rows: 600,
  test: 300,
  forms: optional,
  seed: 1,
  task: optional,
  taskRows: 1500,
  threads: 2,
})

/** Least share of whole answers that are right: of our forms, and of 77 labels with three values. */
const RIGHT = 0.95
const TASK_RIGHT = 0.8
/** Requests that need a reply that no training row had. */
const UNSEEN_ROWS = 100

const progress = createProgress()

const drawn = (grammar: Grammar, count: number, seed: number): FormRow[] => {
  const draw = new Draw(seed)
  return Array.from({ length: count }, () => grammar(draw))
}

const figuresOf = (
  name: string,
  { seconds, cpuSeconds }: Trained,
  { right, verdict }: JudgedRows,
  bar: number
): Figures => {
  const arm = verdict.arms[0]!
  const isPromoted = verdict.verdict === 'promote'
  return {
    [`${name}_whole_answer_right`]: withBar({ value: right, unit: '' }, '>=', bar),
    [`${name}_coverage`]: { value: isPromoted ? arm.coverage : 0, unit: '' },
    [`${name}_agreement`]: { value: isPromoted ? arm.agreementAnswered : 0, unit: '' },
    [`${name}_promoted`]: withBar({ value: Number(isPromoted), unit: '' }, '>=', 1),
    [`${name}_seconds`]: { value: Math.round(seconds), unit: 's' },
    [`${name}_cpu_seconds`]: { value: Math.round(cpuSeconds), unit: 's' },
  }
}

/** Share of the requests that would be answered although training saw none of their kind. */
const unseenFigures = async (trained: Trained, { verdict }: JudgedRows): Promise<Figures> => {
  const answers = await answersOf(trained, drawn(unseenReply, UNSEEN_ROWS, args.seed + 2))
  const threshold = verdict.arms[0]!.threshold ?? Infinity
  const answered = answers.filter(({ logprob }) => logprob >= threshold).length
  return { reply_unseen_answered: zero(answered / answers.length, '') }
}

const run = async (root: string): Promise<Figures> => {
  const { encoder = '', seed, threads } = args
  if (encoder === '') throw new Error('--encoder <folder> is needed')
  const path = encoder === 'tiny' ? join(root, 'encoder') : encoder
  if (encoder === 'tiny') writeTinyBert(path, { seed: 6 })
  const train = (name: string, rows: readonly FormRow[]): Promise<Trained> =>
    trainOn(rows, { encoder: path, folder: join(root, name), threads }, (done, total) =>
      progress.update(name, done, total)
    )
  const measure = async (
    name: string,
    rows: { train: FormRow[]; test: FormRow[] },
    bar: number
  ): Promise<Figures> => {
    const trained = await train(name, rows.train)
    const judged = await judgeOn(trained, rows.test)
    const unseen = name === 'reply' ? await unseenFigures(trained, judged) : {}
    trained.heads.close()
    return { ...figuresOf(name, trained, judged, bar), ...unseen }
  }
  const names = partsOf(args.forms, FORMS) as FormName[]
  return runParts(
    [...names, ...(args.task === undefined ? [] : ['banking'])],
    args.out,
    async (name, save) => {
      if (name === 'banking') {
        const rows = plantedRows(args.task!, { train: args.taskRows, test: args.test, seed })
        return save(await measure(name, rows, TASK_RIGHT))
      }
      const grammar = FORMS[name as FormName]
      const rows = {
        train: drawn(grammar, args.rows, seed),
        test: drawn(grammar, args.test, seed + 1),
      }
      if (name === WITHOUT_FORM)
        return save({ [`${name}_has_form`]: zero(Number(findForm(rows.train) !== null), '') })
      save(await measure(name, rows, RIGHT))
    }
  )
}

const figures = await inFolder('forms', run)
progress.stop()
console.log(formatFigures(figures))
