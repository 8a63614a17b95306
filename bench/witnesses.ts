/**
 * Structure and a checker beside equality. Of pairs of SQL statements: how many each of them takes for the same. Pairs
 * are seeded rewrites of a task's statements, or lines of a file with `logged`, `answer` and, where known, `keeps`.
 * Of the held-out answers in a data directory that `bench:task --keep` left: the agreement and the verdict by each.
 *
 *   npm run bench:witnesses -- --task <folder> --database <file> [--pairs 60]
 *   npm run bench:witnesses -- --task <folder> --schema <file of CREATE TABLE> [--pairs 60]
 *   npm run bench:witnesses -- --lines <file> --database <file>
 *   npm run bench:witnesses -- --data <folder> [--database <file> | --command <shell command>]
 *
 * Rewrites that keep the meaning must be the same; those that change it may give equal rows.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openChecker } from '../src/check/checker.ts'
import { percent, table } from '../src/cli/output.ts'
import { agree, NO_FOLDS, type Comparison } from '../src/core/answer/agreement.ts'
import { loadSqlParser } from '../src/core/answer/sql/sql-form.ts'
import { groupBy } from '../src/core/group-by.ts'
import { seededRandom, shuffle } from '../src/random.ts'
import type { Checker } from '../src/worker/deps.ts'
import { conclude, type Figures } from '../test/kit/report.ts'
import { readRows } from './harness/data.ts'
import { optional, readOptions } from './harness/options.ts'
import { pairsOf, type Pair } from './witnesses/rewrites.ts'
import { judgeStored, type WitnessedVerdict } from './witnesses/stored-answers.ts'

const values = readOptions({
  task: optional,
  lines: optional,
  schema: optional,
  data: optional,
  // the checker: `CHECK_SQL` or `CHECK_COMMAND` of the product
  database: optional,
  command: optional,
  pairs: 60,
  seed: 46,
  seconds: 20,
})

const TEXT: Comparison = { responseType: 'code', folds: NO_FOLDS }
const STRUCTURE: Comparison = { ...TEXT, structure: 'sql' }

const GIVEN = { rewrite: 'given', keeps: false }

const readPairs = (random: () => number): Pair[] => {
  if (values.lines !== undefined)
    return readFileSync(values.lines, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ({ ...GIVEN, ...(JSON.parse(line) as Pick<Pair, 'logged' | 'answer'>) }))
  if (values.task === undefined) throw new Error('--task <folder> or --lines <file> is needed')
  const rows = readRows(join(values.task, 'train.jsonl'))
  const all = rows.flatMap(({ answer }) => pairsOf(answer, random))
  const byRewrite = groupBy(shuffle(all, random), ({ rewrite }) => rewrite)
  const each = Math.max(1, Math.round(values.pairs / byRewrite.size))
  return [...byRewrite.values()].flatMap((pairs) => pairs.slice(0, each))
}

interface Taken extends Pair {
  equality: boolean
  structure: boolean
  execution: 'same' | 'different' | 'none'
}

const checkerOf = (kind: 'sql' | 'command', setting: string): Checker =>
  openChecker({ kind, setting, limitMs: 1000 * values.seconds }, { env: process.env, fetch })

const take = (pairs: readonly Pair[], schema: string): Promise<Taken[]> => {
  const checker = checkerOf('sql', values.database ?? 'prompt')
  const messages = [{ role: 'system', content: schema }]
  return Promise.all(
    pairs.map(async (pair) => {
      const { logged, answer } = pair
      return {
        ...pair,
        equality: agree(TEXT, logged, answer),
        structure: agree(STRUCTURE, logged, answer),
        execution: await checker.ask({ query: '', messages, logged, answer }),
      }
    })
  )
}

const share = (some: readonly Taken[], test: (one: Taken) => boolean): number =>
  some.filter(test).length / Math.max(1, some.length)

const sharesOf = (some: readonly Taken[]) => ({
  equality: share(some, ({ equality }) => equality),
  structure: share(some, ({ structure }) => structure),
  execution: share(some, ({ execution }) => execution === 'same'),
  no_verdict: share(some, ({ execution }) => execution === 'none'),
})

const tableOf = (taken: readonly Taken[]): string =>
  table([
    ['rewrite', 'keeps', 'pairs', 'equality', 'structure', 'execution', 'no verdict'],
    ...[...groupBy(taken, ({ rewrite }) => rewrite)].map(([rewrite, some]) => [
      rewrite,
      some[0]!.keeps ? 'yes' : 'no',
      some.length,
      ...Object.values(sharesOf(some)).map(percent),
    ]),
  ])

const comparePairs = async (): Promise<Figures> => {
  await loadSqlParser()
  const schema = values.schema === undefined ? '' : readFileSync(values.schema, 'utf8')
  const taken = await take(readPairs(seededRandom(values.seed)), schema)
  console.log(tableOf(taken))
  const figures = [true, false].flatMap((keeps) =>
    Object.entries(sharesOf(taken.filter((one) => one.keeps === keeps))).map(([name, value]) => [
      `${keeps ? 'kept' : 'changed'}_${name}`,
      { value, unit: 'share' },
    ])
  )
  return Object.fromEntries(figures) as Figures
}

/** Of the arm that won, or came nearest; all shares are of the held-out traffic. */
const figuresOf = ({ witness, verdict }: WitnessedVerdict): Figures => {
  const { rows, deferred, agreement, coverage, agreementAnswered } = verdict.arms[verdict.arm]!
  const left = Object.values(deferred).reduce((sum, count) => sum + count, 0)
  const of = (name: string) => `${witness}_${name}`
  return {
    [of('rows')]: { value: rows, unit: 'rows' },
    [of('deferred')]: { value: left, unit: 'rows' },
    [of('agreement')]: { value: agreement, unit: 'share of rows that are not deferred' },
    [of('verdict')]: { value: verdict.verdict, unit: '' },
    [of('coverage')]: { value: coverage, unit: 'share' },
    [of('agreement_answered')]: { value: agreementAnswered, unit: 'share' },
    [of('reason')]: { value: verdict.reason, unit: '' },
    ...(verdict.checker && {
      [of('compared')]: { value: verdict.checker.compared, unit: 'rows, validation included' },
      [of('without_verdict')]: { value: verdict.checker.none, unit: 'rows' },
    }),
  }
}

const storedChecker = (): Checker | null => {
  const { command, database } = values
  if (command !== undefined) return checkerOf('command', command)
  return database === undefined ? null : checkerOf('sql', database)
}

const judgeAnswers = async (dataDir: string): Promise<Figures> => {
  const verdicts = await judgeStored(dataDir, storedChecker())
  return Object.assign({}, ...verdicts.map(figuresOf)) as Figures
}

conclude(await (values.data === undefined ? comparePairs() : judgeAnswers(values.data)), values.out)
