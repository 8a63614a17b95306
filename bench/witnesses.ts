/**
 * Structure and execution beside equality: how many of pairs of SQL statements each of them takes for the same. Pairs
 * are seeded rewrites of a task's statements, or lines of a file with `logged`, `answer` and, where known, `keeps`.
 *
 *   npm run bench:witnesses -- --task <folder> --database <file> [--pairs 60]
 *   npm run bench:witnesses -- --task <folder> --schema <file of CREATE TABLE> [--pairs 60]
 *   npm run bench:witnesses -- --lines <file> --database <file>
 *
 * Rewrites that keep the meaning must be the same; those that change it may give equal rows.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openChecker } from '../src/check/checker.ts'
import { percent, table } from '../src/cli/output.ts'
import { agree, NO_FOLDS, type Comparison } from '../src/core/answer/agreement.ts'
import { loadSqlParser } from '../src/core/answer/sql-form.ts'
import { groupBy } from '../src/core/group-by.ts'
import { seededRandom, shuffle } from '../src/random.ts'
import { tell, type Figures } from '../test/kit/report.ts'
import { readRows } from './harness/data.ts'
import { optional, readOptions } from './harness/options.ts'
import { pairsOf, type Pair } from './witnesses/rewrites.ts'

const values = readOptions({
  task: optional,
  lines: optional,
  schema: optional,
  database: 'prompt',
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

const main = async (): Promise<void> => {
  await loadSqlParser()
  const pairs = readPairs(seededRandom(values.seed))
  const schema = values.schema === undefined ? '' : readFileSync(values.schema, 'utf8')
  const checker = openChecker(
    { kind: 'sql', setting: values.database, limitMs: 1000 * values.seconds },
    { env: process.env, fetch }
  )
  const taken = await Promise.all(
    pairs.map(async ({ logged, answer, ...pair }): Promise<Taken> => ({
      ...pair,
      logged,
      answer,
      equality: agree(TEXT, logged, answer),
      structure: agree(STRUCTURE, logged, answer),
      execution: await checker.ask({
        query: '',
        messages: [{ role: 'system', content: schema }],
        logged,
        answer,
      }),
    }))
  )
  const share = (some: readonly Taken[], test: (one: Taken) => boolean): number =>
    some.filter(test).length / Math.max(1, some.length)
  const shares = (some: readonly Taken[]) => [
    share(some, ({ equality }) => equality),
    share(some, ({ structure }) => structure),
    share(some, ({ execution }) => execution === 'same'),
    share(some, ({ execution }) => execution === 'none'),
  ]
  const rows = [...groupBy(taken, ({ rewrite }) => rewrite)]
  console.log(
    table([
      ['rewrite', 'keeps the meaning', 'pairs', 'equality', 'structure', 'execution', 'no verdict'],
      ...rows.map(([rewrite, some]) => [
        rewrite,
        some[0]!.keeps ? 'yes' : 'no',
        some.length,
        ...shares(some).map(percent),
      ]),
    ])
  )
  const figures: Figures = {}
  for (const keeps of [true, false]) {
    const some = taken.filter((one) => one.keeps === keeps)
    const kind = keeps ? 'kept' : 'changed'
    const names = ['equality', 'structure', 'execution', 'no_verdict']
    for (const [at, value] of shares(some).entries())
      figures[`${kind}_${names[at]}`] = { value, unit: 'share' }
  }
  tell(figures, values.out)
}

await main()
