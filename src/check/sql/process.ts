/**
 * The process of `CHECK_SQL`: reads a comparison from stdin, runs both statements, writes a verdict. Its argument is
 * `prompt`, or the path of a SQLite file. Exits with 75 where the file cannot be opened. Its parent limits its time.
 */
import { text } from 'node:stream/consumers'
import { messageText } from '../../core/request/request-scan.ts'
import type { CheckedAnswers } from '../../worker/deps.ts'
import { compareResults, type Verdict } from './compare-results.ts'
import { limitHeap, openDescribed, openFile, tablesIn } from './databases.ts'
import { insertsOf, literalsOf, tablesOf } from './statement.ts'

const EX_TEMPFAIL = 75

const literalsIn = ({ logged, answer }: CheckedAnswers): ReturnType<typeof literalsOf> =>
  literalsOf(`${logged}\n${answer}`)

const compareOnDescribed = (answers: CheckedAnswers): Verdict => {
  const request = answers.messages.map((message) => messageText(message) ?? '').join('\n\n')
  const tables = tablesOf(request)
  if (tables.length === 0) return { verdict: 'none', why: 'the request has no CREATE TABLE' }
  const inserts = insertsOf(request)
  return compareResults(openDescribed({ tables, inserts, literals: literalsIn(answers) }), answers)
}

/** @returns null where it cannot be opened: the operator can mend it, and no text is the reason */
const openFileOf = (path: string): ReturnType<typeof openFile> | null => {
  try {
    return openFile(path)
  } catch {
    process.exitCode = EX_TEMPFAIL
    return null
  }
}

/** On its rows, and before on drawn ones: two different queries often find the same in one database. */
const compareOnFile = (path: string, answers: CheckedAnswers): Verdict => {
  const database = openFileOf(path)
  return database === null
    ? { verdict: 'none', why: 'the file cannot be opened' }
    : compareResults(
        [
          ...openDescribed({
            tables: tablesIn(database),
            inserts: [],
            literals: literalsIn(answers),
          }),
          database,
        ],
        answers
      )
}

limitHeap()
const source = process.argv[2] ?? 'prompt'
const answers = JSON.parse(await text(process.stdin)) as CheckedAnswers
const verdict = source === 'prompt' ? compareOnDescribed(answers) : compareOnFile(source, answers)
process.stdout.write(JSON.stringify(verdict))
